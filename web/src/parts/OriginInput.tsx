/** An origin by name in either language, code, AS name or watch: a combobox as the ARIA practices describe it. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { Found } from '../api/answers';
import { useWords } from '../lib/settings';

interface Props {
  value: string;
  onChange: (value: string) => void;
  onPick?: (found: Found) => void;
  label: string;
  hint?: string;
}

export function OriginInput({ value, onChange, onPick, label, hint }: Props) {
  const { t, country } = useWords();
  const [found, setFound] = useState<Found[]>([]);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const typed = useRef(false);
  const id = useId();
  // Origins are joined by commas: what is completed is the last of them.
  const cut = value.lastIndexOf(',') + 1;
  const last = value.slice(cut).trim();
  useEffect(() => {
    if (!typed.current || !last) {
      setFound([]);
      return undefined;
    }
    const control = new AbortController();
    const waiting = setTimeout(() => {
      get<{ found: Found[] }>('/api/v1/complete', { text: last, limit: 10 }, { signal: control.signal })
        .then((told) => {
          setFound(told.found);
          setAt(-1);
          setOpen(told.found.length > 0);
        })
        .catch(() => setFound([]));
    }, 120);
    return () => {
      clearTimeout(waiting);
      control.abort();
    };
  }, [last]);

  const pick = (one: Found) => {
    typed.current = false;
    setOpen(false);
    setFound([]);
    if (one.kind === 'watch' && onPick) onPick(one);
    else onChange(value.slice(0, cut) + one.value);
  };
  const keys = (event: KeyboardEvent) => {
    if (!open || !found.length) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setAt((before) => (before + step + found.length) % found.length);
    } else if (event.key === 'Enter' && at >= 0) {
      event.preventDefault();
      const one = found[at];
      if (one) pick(one);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      setOpen(false);
    }
  };
  return (
    <div class="field combo">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        aria-autocomplete="list"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={open && at >= 0 ? `${id}-${at}` : undefined}
        value={value}
        placeholder={t('origin_placeholder')}
        onInput={(event) => {
          typed.current = true;
          onChange(event.currentTarget.value);
        }}
        onKeyDown={keys}
        onBlur={() => setTimeout(() => setOpen(false), 150)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={t('suggestions')} hidden={!open}>
        {found.map((one, place) => (
          <li
            key={one.kind + one.value}
            id={`${id}-${place}`}
            role="option"
            aria-selected={place === at}
            onMouseDown={(event) => {
              event.preventDefault();
              pick(one);
            }}
          >
            <span class="kind">{t(`kind_${one.kind}`)}</span> <strong>{one.value}</strong>{' '}
            {one.kind === 'country' ? country(one.value) : one.name}
          </li>
        ))}
      </ul>
      {hint ? <small class="faint">{hint}</small> : null}
    </div>
  );
}
