/** Flows, a page at a time, however many there are. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { Flow } from '../api/answers';
import { Address, Command, Field, Head, Table, Trouble, Waiting } from '../parts/common';
import { useAsked, useDoing } from '../lib/asking';
import { command } from '../lib/command';
import { complete, positionIn } from '../lib/expression';
import { csv, save } from '../lib/csv';
import { useHere } from '../lib/here';
import { change, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';
import { protocol } from './Host';

const PAGE = 200;
const EXPORT_PAGE = 10_000;
const MOST_EXPORTED = 1_000_000;

interface Page {
  flows: Flow[];
  next: string | null;
}

export function Flows() {
  const words = useWords();
  const { t, second, amount, count } = words;
  const { query } = usePlace();
  const asked = { where: query.get('where') ?? '', since: query.get('since') ?? '', until: query.get('until') ?? '' };
  const cursor = query.get('cursor') ?? '';
  const [form, setForm] = useState(asked);
  useEffect(
    () =>
      setForm({ where: query.get('where') ?? '', since: query.get('since') ?? '', until: query.get('until') ?? '' }),
    [query],
  );
  const page = useAsked<Page>(JSON.stringify([asked, cursor]), (signal) =>
    get('/api/v1/flows', { ...asked, limit: PAGE, cursor }, { signal }),
  );
  const number = Number(query.get('page') ?? '1');
  const told = page.value;
  const wrong = page.problem?.status === 400 ? page.problem : null;
  return (
    <>
      <Head title={t('view_flows')} />
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          change({ ...form, cursor: null, page: null }, false);
        }}
      >
        <ExpressionInput
          value={form.where}
          onChange={(where) => setForm((before) => ({ ...before, where }))}
          wrong={wrong?.message ?? null}
          hint={wrong?.hint ?? ''}
          asked={asked.where}
        />
        <Field label={t('since')}>
          {(id) => (
            <input
              id={id}
              size={14}
              value={form.since}
              placeholder={t('all')}
              onInput={(event) => setForm((before) => ({ ...before, since: event.currentTarget.value }))}
            />
          )}
        </Field>
        <Field label={t('until')}>
          {(id) => (
            <input
              id={id}
              size={14}
              value={form.until}
              placeholder={t('now')}
              onInput={(event) => setForm((before) => ({ ...before, until: event.currentTarget.value }))}
            />
          )}
        </Field>
        <button type="submit" class="main">
          {t('show')}
        </button>
      </form>
      <Waiting asked={page} />
      {wrong ? null : <Trouble problem={page.problem} />}
      {told ? (
        <>
          <div class="actions">
            <span>{t('page_line', { page: count(number), rows: count(told.flows.length) })}</span>
            <button type="button" disabled={!cursor} onClick={() => history.back()}>
              {t('page_before')}
            </button>
            <button
              type="button"
              disabled={!told.next}
              onClick={() => change({ cursor: told.next, page: String(number + 1) }, false)}
            >
              {t('page_next')}
            </button>
            <Export asked={asked} />
          </div>
          <Table
            caption={t('view_flows')}
            empty={t('no_flows')}
            rows={told.flows}
            columns={[
              { head: t('start'), cell: (row) => second(String(row['time_start'])) },
              {
                head: t('source'),
                cell: (row) => <Address address={String(row['src'])} at={String(row['time_start'])} />,
              },
              { head: t('port'), right: true, cell: (row) => String(row['src_port']) },
              {
                head: t('destination'),
                cell: (row) => <Address address={String(row['dst'])} at={String(row['time_start'])} />,
              },
              { head: t('port'), right: true, cell: (row) => String(row['dst_port']) },
              { head: t('protocol'), cell: (row) => protocol(Number(row['proto'])) },
              { head: t('packets'), right: true, cell: (row) => count(Number(row['packets'])) },
              { head: t('metric_bytes'), right: true, cell: (row) => amount(Number(row['bytes']), 'bytes') },
              { head: t('direction'), cell: (row) => String(row['direction']) },
              { head: t('countries'), cell: (row) => `${String(row['src_country'])} → ${String(row['dst_country'])}` },
              { head: t('exporter'), cell: (row) => String(row['exporter']) },
            ]}
          />
        </>
      ) : null}
      <Command text={command('flows', asked)} />
    </>
  );
}

/** All pages of a question as CSV, with progress, up to a bound; the command line gives any number. */
function Export({ asked }: { asked: { where: string; since: string; until: string } }) {
  const { t, count } = useWords();
  const [done, setDone] = useState<number | null>(null);
  const control = useRef<AbortController | null>(null);
  const doing = useDoing();
  const start = () =>
    doing.run(async () => {
      control.current = new AbortController();
      const parts: string[] = [];
      let cursor = '';
      let rows = 0;
      setDone(0);
      try {
        do {
          const page = await get<Page>(
            '/api/v1/flows',
            { ...asked, limit: EXPORT_PAGE, cursor },
            {
              signal: control.current.signal,
            },
          );
          const head = Object.keys(page.flows[0] ?? {});
          const text = csv(
            head,
            page.flows.map((row) => head.map((name) => row[name] ?? null)),
          );
          parts.push(parts.length ? text.slice(text.indexOf('\r\n') + 2) : text);
          rows += page.flows.length;
          setDone(rows);
          cursor = page.next ?? '';
        } while (cursor && rows < MOST_EXPORTED);
        save('flows.csv', new Blob(parts, { type: 'text/csv' }));
      } finally {
        setDone(null);
      }
    });
  return (
    <>
      {done === null ? (
        <button type="button" onClick={start}>
          {t('save_csv')}
        </button>
      ) : (
        <span role="status">
          {t('exported', { rows: count(done) })}{' '}
          <button type="button" onClick={() => control.current?.abort()}>
            {t('cancel')}
          </button>
        </span>
      )}
      <Trouble problem={doing.problem} />
    </>
  );
}

/** An expression with completion of columns and classes; an error stands under the place that it names. */
function ExpressionInput({
  value,
  onChange,
  wrong,
  hint,
  asked,
}: {
  value: string;
  onChange: (value: string) => void;
  wrong: string | null;
  hint: string;
  asked: string;
}) {
  const { t, say } = useWords();
  const { site } = useHere();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [found, setFound] = useState<string[]>([]);
  const [at, setAt] = useState(0);
  const look = () => {
    const node = input.current;
    if (!node) return;
    setFound(complete(node.value, node.selectionStart ?? node.value.length, site.columns, site.classes));
    setAt(0);
  };
  const pick = (word: string) => {
    const node = input.current;
    if (!node) return;
    const place = node.selectionStart ?? node.value.length;
    const before = node.value.slice(0, place).replace(/[\w-]*$/, '');
    const after = node.value.slice(place);
    onChange(before + word + after);
    setFound([]);
    requestAnimationFrame(() => {
      node.focus();
      node.setSelectionRange(before.length + word.length, before.length + word.length);
    });
  };
  const place = wrong && asked === value ? positionIn(wrong, value) : null;
  return (
    <div class="field combo grow">
      <label for={id}>{t('expression')}</label>
      <input
        id={id}
        ref={input}
        value={value}
        spellcheck={false}
        autocomplete="off"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={found.length ? `${id}-${at}` : undefined}
        aria-invalid={wrong !== null}
        aria-describedby={wrong ? `${id}-wrong` : undefined}
        placeholder="dst_port = 443 AND far_country = 'KP'"
        onInput={(event) => {
          onChange(event.currentTarget.value);
          look();
        }}
        onKeyDown={(event) => {
          if (!found.length) return;
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault();
            setAt((before) => (before + (event.key === 'ArrowDown' ? 1 : -1) + found.length) % found.length);
          } else if (event.key === 'Tab' || event.key === 'Enter') {
            const word = found[at];
            if (word) {
              event.preventDefault();
              pick(word);
            }
          } else if (event.key === 'Escape') setFound([]);
        }}
        onBlur={() => setTimeout(() => setFound([]), 150)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={t('suggestions')} hidden={!found.length}>
        {found.map((word, number) => (
          <li
            key={word}
            id={`${id}-${number}`}
            role="option"
            aria-selected={number === at}
            onMouseDown={(event) => {
              event.preventDefault();
              pick(word);
            }}
          >
            {word}
          </li>
        ))}
      </ul>
      {wrong ? (
        <div id={`${id}-wrong`} class="wrong" role="alert">
          {place === null ? null : (
            <pre aria-hidden="true">
              {value}
              {'\n'}
              {' '.repeat(place)}^
            </pre>
          )}
          {say(wrong)} {hint ? <span class="faint">{say(hint)}</span> : null}
        </div>
      ) : null}
    </div>
  );
}
