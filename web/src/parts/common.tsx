/** Small parts that all views are made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Problem } from '../api/client';
import type { Severity, Trust, Verdict } from '../api/answers';
import type { Asked } from '../lib/asking';
import { follow } from '../lib/route';
import { useWords } from '../lib/settings';
import type { Key } from '../i18n';

interface LinkProps {
  to: string;
  class?: string;
  'aria-current'?: 'page' | undefined;
  children: ComponentChildren;
}

export function Link({ to, children, ...more }: LinkProps) {
  return (
    <a href={to} onClick={follow} {...more}>
      {children}
    </a>
  );
}

export function Trouble({ problem }: { problem: Problem | null }) {
  const { t, say } = useWords();
  if (!problem) return null;
  return (
    <div class="trouble" role="alert">
      <strong>{t('trouble')}</strong> {say(problem.message)}
      {problem.hint ? <div class="hint">{say(problem.hint)}</div> : null}
    </div>
  );
}

/** While a question is on its way: since when, what it does, and a way to call it off. */
export function Waiting<T>({ asked }: { asked: Asked<T> }) {
  const { t, duration } = useWords();
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (!asked.loading) return undefined;
    const begun = Date.now();
    setSeconds(0);
    const ticking = setInterval(() => setSeconds(Math.floor((Date.now() - begun) / 1000)), 1000);
    return () => clearInterval(ticking);
  }, [asked.loading]);
  if (asked.cancelled) {
    return (
      <p class="waiting" role="status">
        {t('cancelled')}{' '}
        <button type="button" onClick={asked.again}>
          {t('ask_again')}
        </button>
      </p>
    );
  }
  if (!asked.loading) return null;
  return (
    <p class="waiting" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>{seconds < 1 ? t('asking') : t('asking_since', { time: duration(seconds) })}</span>
      {asked.steps.length ? <span class="faint">{asked.steps.at(-1)}</span> : null}
      <button type="button" onClick={asked.cancel}>
        {t('cancel')}
      </button>
    </p>
  );
}

const MARKS: Record<Verdict, string> = { surge: '▲', no_surge: '○', cannot_say: '?' };

export function VerdictMark({ verdict }: { verdict: Verdict }) {
  const { t } = useWords();
  return (
    <span class={`verdict ${verdict}`}>
      <span aria-hidden="true">{MARKS[verdict]}</span> {t(`verdict_${verdict}`)}
    </span>
  );
}

const LEVELS: Record<Severity, string> = { info: '·', low: '▁', medium: '▃', high: '▅', critical: '▇' };

export function SeverityMark({ severity }: { severity: Severity }) {
  const { t } = useWords();
  return (
    <span class={`severity ${severity}`}>
      <span aria-hidden="true">{LEVELS[severity]}</span> {t(`severity_${severity}`)}
    </span>
  );
}

export function TrustMark({ trust }: { trust: Trust }) {
  const { t } = useWords();
  const bars = { none: 0, low: 1, medium: 2, high: 3 }[trust];
  return (
    <span class={`trust ${trust}`}>
      <span aria-hidden="true">{'●'.repeat(bars) + '○'.repeat(3 - bars)}</span> {t(`trust_${trust}`)}
    </span>
  );
}

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ComponentChildren;
  right?: boolean;
}

/** A table that scrolls within itself where the page is narrow. */
export function Table<Row>({
  columns,
  rows,
  caption,
  empty,
}: {
  columns: Column<Row>[];
  rows: Row[];
  caption: string;
  empty?: string;
}) {
  if (!rows.length && empty) return <p class="faint">{empty}</p>;
  return (
    <div class="table" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} scope="col" class={column.right ? 'right' : ''}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              {columns.map((column) => (
                <td key={column.head} class={column.right ? 'right' : ''}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Copy({ text, label }: { text: string; label: Key }) {
  const { t } = useWords();
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      onClick={() => {
        void navigator.clipboard.writeText(text).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 2000);
        });
      }}
    >
      {done ? t('copied') : t(label)}
    </button>
  );
}

/** The command line that gives the same, to take along. */
export function Command({ text }: { text: string }) {
  const { t } = useWords();
  return (
    <div class="command">
      <code aria-label={t('command_line')}>{text}</code>
      <Copy text={text} label="copy" />
    </div>
  );
}

export function Field({
  label,
  children,
  hint,
}: {
  label: string;
  hint?: string;
  children: (id: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id)}
      {hint ? <small class="faint">{hint}</small> : null}
    </div>
  );
}

/** A file chosen, or dropped anywhere on the place. */
export function Drop({
  label,
  accept,
  onFile,
  children,
}: {
  label: string;
  accept?: string;
  onFile: (file: File) => void;
  children?: ComponentChildren;
}) {
  const [over, setOver] = useState(false);
  const given = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file) onFile(file);
  };
  return (
    <div
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        given(event.dataTransfer?.files);
      }}
    >
      <Field label={label}>
        {(id) => <input id={id} type="file" accept={accept} onChange={(event) => given(event.currentTarget.files)} />}
      </Field>
      {children}
    </div>
  );
}

/** What is made only when it is opened: hundreds of rows cost nothing before. */
export function Folded({ summary, children }: { summary: string; children: () => ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {open ? children() : null}
    </details>
  );
}

/** A dialogue of the browser's own: focus stays in it, Escape closes it. */
export function Dialogue({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const node = useRef<HTMLDialogElement>(null);
  const { t } = useWords();
  const id = useId();
  // Before it is painted: a key that comes at once is meant for it.
  useLayoutEffect(() => {
    node.current?.showModal();
  }, []);
  return (
    <dialog ref={node} aria-labelledby={id} onClose={onClose}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label={t('close')} onClick={() => node.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** A heading of a view with what can be done there. */
export function Head({ title, children }: { title: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · tidegauge`;
  }, [title]);
  return (
    <div class="head">
      <h1>{title}</h1>
      {children}
    </div>
  );
}

export function Address({ address, at }: { address: string; at?: string | null }) {
  const query = at ? `?at=${encodeURIComponent(at)}` : '';
  return (
    <Link to={`/host/${encodeURIComponent(address)}${query}`} class="address">
      {address}
    </Link>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}
