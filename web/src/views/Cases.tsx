/** Cases: who claims what, sealed evidence, hypotheses weighed in place, the statement in both languages. */
import { useState } from 'preact/hooks';
import { get, getBlob, queryOf, send } from '../api/client';
import type { Case, CaseEntry, Verdict } from '../api/answers';
import { Dialogue, Empty, Field, Head, Link, Table, Trouble, VerdictMark, Waiting } from '../parts/common';
import { useAsked, useDoing } from '../lib/asking';
import { save } from '../lib/csv';
import { useHere } from '../lib/here';
import { change, go, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';
import { wordsOf } from '../lib/stories';
import { Matrix } from './Matrix';
import { Statements } from './Statements';
import type { Key } from '../i18n';

const TABS = ['timeline', 'matrix', 'statement', 'verify', 'export'] as const;

export function Cases() {
  const { path } = usePlace();
  return path[1] ? <One key={path[1]} name={path[1]} /> : <All />;
}

interface Row {
  name: string;
  title: string;
  created: string;
  entries: number;
}

function All() {
  const { t, moment, count } = useWords();
  const { me } = useHere();
  const cases = useAsked<{ cases: Row[] }>('cases', (signal) => get('/api/v1/cases', undefined, { signal }));
  const [form, setForm] = useState({ name: '', title: '' });
  const doing = useDoing();
  return (
    <>
      <Head title={t('view_cases')} />
      <Waiting asked={cases} />
      <Trouble problem={cases.problem} />
      {cases.value?.cases.length === 0 ? (
        <Empty title={t('no_cases')}>
          <p>{t('no_cases_what')}</p>
        </Empty>
      ) : (
        <Table
          caption={t('view_cases')}
          rows={cases.value?.cases ?? []}
          columns={[
            {
              head: t('case'),
              cell: (row) => <Link to={`/cases/${encodeURIComponent(row.name)}`}>{row.title || row.name}</Link>,
            },
            { head: t('opened'), cell: (row) => moment(row.created) },
            { head: t('entries'), right: true, cell: (row) => count(row.entries) },
          ]}
        />
      )}
      {me.role === 'reader' ? null : (
        <form
          class="question"
          onSubmit={(event) => {
            event.preventDefault();
            doing.run(async () => {
              await send('POST', '/api/v1/cases', form);
              go(`/cases/${encodeURIComponent(form.name)}`);
            });
          }}
        >
          <Field label={t('new_case')} hint={t('case_name_hint')}>
            {(id) => (
              <input
                id={id}
                required
                pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
                value={form.name}
                onInput={(event) => setForm({ ...form, name: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={t('case_title')}>
            {(id) => (
              <input
                id={id}
                class="wide"
                value={form.title}
                onInput={(event) => setForm({ ...form, title: event.currentTarget.value })}
              />
            )}
          </Field>
          <button type="submit" class="main" disabled={doing.busy}>
            {t('open_new_case')}
          </button>
        </form>
      )}
      <Trouble problem={doing.problem} />
    </>
  );
}

function One({ name }: { name: string }) {
  const { t } = useWords();
  const { query } = usePlace();
  const tab = TABS.find((one) => one === query.get('tab')) ?? 'timeline';
  const [round, setRound] = useState(0);
  const found = useAsked<Case>(`${name} ${round}`, (signal) =>
    get('/api/v1/cases/{name}', undefined, { signal, names: { name } }),
  );
  const changed = () => setRound((before) => before + 1);
  const told = found.value;
  return (
    <>
      <Head title={told?.title ?? name}>{told ? <span class="mark">{told.mark}</span> : null}</Head>
      <nav class="tabs" aria-label={t('case_parts')}>
        {TABS.map((one) => (
          <a
            key={one}
            href={`?${new URLSearchParams({ tab: one }).toString()}`}
            aria-current={one === tab ? 'page' : undefined}
            onClick={(event) => {
              event.preventDefault();
              change({ tab: one }, false);
            }}
          >
            {t(`tab_${one}`)}
          </a>
        ))}
      </nav>
      <Waiting asked={found} />
      <Trouble problem={found.problem} />
      {told && tab === 'timeline' ? <Entries told={told} changed={changed} /> : null}
      {told && tab === 'matrix' ? <Matrix name={name} round={round} changed={changed} /> : null}
      {told && tab === 'statement' ? <Statements told={told} /> : null}
      {told && tab === 'verify' ? <Verifying name={name} /> : null}
      {told && tab === 'export' ? <Exporting name={name} mark={told.mark} /> : null}
    </>
  );
}

/** The page that shows what a piece of evidence was asked, where there is one. */
export function pageOf(entry: CaseEntry): string | null {
  const words = wordsOf(entry.command ?? '');
  const verb = words[1];
  const query: Record<string, string> = {};
  const plain: string[] = [];
  for (let place = 2; place < words.length; place += 1) {
    const word = words[place] ?? '';
    if (!word.startsWith('--')) plain.push(word);
    else if (word === '--wide') query['wide'] = 'true';
    else query[word.slice(2).replaceAll('-', '_')] = words[(place += 1)] ?? '';
  }
  if (verb === 'ask') return '/ask' + queryOf(query);
  if (verb === 'coverage') return '/coverage' + queryOf(query);
  if (verb === 'origin')
    return plain[0] ? `/origin/${encodeURIComponent(plain[0])}${queryOf(query)}` : '/origin' + queryOf(query);
  if (verb === 'flows') return '/flows' + queryOf(query);
  return null;
}

function Entries({ told, changed }: { told: Case; changed: () => void }) {
  const { t, say, moment, day } = useWords();
  const { me } = useHere();
  const [adding, setAdding] = useState<'claim' | 'request' | 'note' | null>(null);
  const [answering, setAnswering] = useState<string | null>(null);
  const entries = told.entries as CaseEntry[];
  const answered = new Set(entries.filter((one) => one.kind === 'reply').map((one) => one.request));
  return (
    <>
      {me.role === 'reader' ? null : (
        <div class="actions">
          {(['claim', 'request', 'note'] as const).map((one) => (
            <button key={one} type="button" onClick={() => setAdding(one)}>
              {t(`add_${one}`)}
            </button>
          ))}
        </div>
      )}
      <ol class="entries">
        {entries.map((one) => {
          const page = one.kind === 'evidence' ? pageOf(one) : null;
          const verdict = one.result?.['verdict'] as Verdict | undefined;
          return (
            <li key={one.number} id={one.id || undefined} class={one.kind}>
              <div class="when">
                <time dateTime={one.at}>{moment(one.at)}</time> <span>{one.who}</span>
              </div>
              <div>
                <strong>
                  {t(`entry_${one.kind}`)} {one.id || one.request}
                </strong>{' '}
                {one.by ? t('claimed_by', { by: one.by, graded: one.graded ?? '' }) : null}{' '}
                {say(one.text ?? one.what ?? '')}
                {one.of ? (
                  <div class="faint">{t('asked_of', { of: one.of, due: one.due ? day(one.due) : '' })}</div>
                ) : null}
                {one.kind === 'rating' && one.value ? (
                  <span>
                    {t('rated', {
                      evidence: one.evidence ?? '',
                      hypothesis: one.hypothesis ?? '',
                      value: t(`value_${one.value}` as Key),
                      weight: t(`weight_${one.weight ?? 'medium'}` as Key),
                    })}
                  </span>
                ) : null}
                {one.reason ? <div class="faint">{one.reason}</div> : null}
                {one.command ? <code class="line">{one.command}</code> : null}
                {verdict ? <VerdictMark verdict={verdict} /> : null} {page ? <Link to={page}>{t('show')}</Link> : null}
                {one.kind === 'request' && !answered.has(one.id) && me.role !== 'reader' ? (
                  <button type="button" onClick={() => setAnswering(one.id)}>
                    {t('add_answer')}
                  </button>
                ) : null}
              </div>
            </li>
          );
        })}
      </ol>
      {adding ? (
        <Adding
          kind={adding}
          name={told.name}
          onClose={(done) => {
            setAdding(null);
            if (done) changed();
          }}
        />
      ) : null}
      {answering ? (
        <Adding
          kind="answer"
          name={told.name}
          request={answering}
          onClose={(done) => {
            setAnswering(null);
            if (done) changed();
          }}
        />
      ) : null}
    </>
  );
}

const FIELDS: Record<
  'claim' | 'request' | 'note' | 'answer',
  { name: string; label: Key; area?: boolean; optional?: boolean; date?: boolean }[]
> = {
  claim: [
    { name: 'by', label: 'who_claims' },
    { name: 'text', label: 'what_exactly', area: true },
    { name: 'graded', label: 'graded', optional: true },
  ],
  request: [
    { name: 'of', label: 'of_whom' },
    { name: 'what', label: 'what_asked', area: true },
    { name: 'due', label: 'due', date: true },
  ],
  note: [
    { name: 'text', label: 'what', area: true },
    { name: 'reason', label: 'decision_reason', optional: true },
  ],
  answer: [{ name: 'text', label: 'what_came', area: true }],
};
const PATHS = {
  claim: '/api/v1/cases/{name}/claims',
  request: '/api/v1/cases/{name}/requests',
  note: '/api/v1/cases/{name}/notes',
  answer: '/api/v1/cases/{name}/requests/{request_id}/answer',
} as const;

function Adding({
  kind,
  name,
  request = '',
  onClose,
}: {
  kind: keyof typeof FIELDS;
  name: string;
  request?: string;
  onClose: (done: boolean) => void;
}) {
  const { t } = useWords();
  const [values, setValues] = useState<Record<string, string>>({});
  const doing = useDoing();
  const set = (field: string, value: string) => setValues((before) => ({ ...before, [field]: value }));
  return (
    <Dialogue title={t(`add_${kind}`)} onClose={() => onClose(false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const body = Object.fromEntries(Object.entries(values).filter(([, value]) => value.trim()));
          doing.run(async () => {
            await send('POST', PATHS[kind], body, { names: { name, request_id: request } });
            onClose(true);
          });
        }}
      >
        {FIELDS[kind].map((field) => (
          <Field key={field.name} label={t(field.label)}>
            {(id) =>
              field.date ? (
                <input id={id} type="date" required onInput={(event) => set(field.name, event.currentTarget.value)} />
              ) : field.area ? (
                <textarea
                  id={id}
                  required={!field.optional}
                  onInput={(event) => set(field.name, event.currentTarget.value)}
                />
              ) : (
                <input
                  id={id}
                  required={!field.optional}
                  onInput={(event) => set(field.name, event.currentTarget.value)}
                />
              )
            }
          </Field>
        ))}
        <button type="submit" class="main" disabled={doing.busy}>
          {t('add')}
        </button>
      </form>
      <Trouble problem={doing.problem} />
    </Dialogue>
  );
}

interface Verified {
  status: 'same' | 'changed' | 'tampered' | 'gone';
  items: { id: string; status: string; why: string }[];
  chain: string;
}

function Verifying({ name }: { name: string }) {
  const { t, say } = useWords();
  const { me } = useHere();
  const [round, setRound] = useState(0);
  const found = useAsked<Verified>(round ? `${name} ${round}` : null, (signal) =>
    get('/api/v1/cases/{name}/verify', undefined, { signal, names: { name } }),
  );
  if (me.role === 'reader') return <p class="faint">{t('analysts_only')}</p>;
  return (
    <>
      <p>{t('verify_what')}</p>
      <button type="button" class="main" disabled={found.loading} onClick={() => setRound(round + 1)}>
        {t('verify_now')}
      </button>
      <Waiting asked={found} />
      <Trouble problem={found.problem} />
      {found.value ? (
        <>
          <p class="lead" role="status">
            {t(`status_${found.value.status}`)} {t(found.value.chain === 'whole' ? 'chain_whole' : 'chain_broken')}
          </p>
          <Table
            caption={t('tab_verify')}
            rows={found.value.items}
            columns={[
              { head: t('entry_evidence'), cell: (row) => row.id },
              { head: t('state'), cell: (row) => t(`item_${row.status}` as Key) },
              { head: t('why'), cell: (row) => say(row.why) },
            ]}
          />
        </>
      ) : null}
    </>
  );
}

const FORMATS = ['bundle', 'stix', 'misp', 'csv', 'xarf'] as const;
const MARKS = ['TLP:CLEAR', 'TLP:GREEN', 'TLP:AMBER', 'TLP:AMBER+STRICT', 'TLP:RED'];

function Exporting({ name, mark }: { name: string; mark: string }) {
  const { t } = useWords();
  const { me } = useHere();
  const [tlp, setTlp] = useState(mark);
  const [pseudonyms, setPseudonyms] = useState(false);
  const doing = useDoing();
  if (me.role === 'reader') return <p class="faint">{t('analysts_only')}</p>;
  return (
    <>
      <p>{t('export_what')}</p>
      <div class="row">
        <Field label={t('audience')}>
          {(id) => (
            <select id={id} value={tlp} onChange={(event) => setTlp(event.currentTarget.value)}>
              {MARKS.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Field>
        <label class="switch">
          <input
            type="checkbox"
            checked={pseudonyms}
            onChange={(event) => setPseudonyms(event.currentTarget.checked)}
          />
          {t('pseudonyms')}
        </label>
      </div>
      <ul class="choices">
        {FORMATS.map((format) => (
          <li key={format}>
            <button
              type="button"
              disabled={doing.busy}
              onClick={() =>
                doing.run(async () => {
                  const blob = await getBlob(
                    '/api/v1/cases/{name}/export',
                    { format, tlp, pseudonyms },
                    { names: { name } },
                  );
                  save(`${name}.${format === 'bundle' ? 'zip' : format === 'csv' ? 'csv' : 'json'}`, blob);
                })
              }
            >
              {t(`format_${format}`)}
            </button>
          </li>
        ))}
      </ul>
      <Trouble problem={doing.problem} />
    </>
  );
}
