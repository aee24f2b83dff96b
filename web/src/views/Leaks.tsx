/** Whose data lie in a file: a summary for a data protection officer. Values are masked before they come here. */
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import type { Leaks as Told } from '../api/answers';
import { Command, Drop, Head, SeverityMark, Table, Trouble } from '../parts/common';
import { useDoing } from '../lib/asking';
import { csv, save } from '../lib/csv';
import { useHere } from '../lib/here';
import { useWords } from '../lib/settings';
import type { Key } from '../i18n';

const KINDS: Record<string, Key> = {
  'us-ssn': 'leak_us_ssn',
  'tw-id': 'leak_tw_id',
  mrz: 'leak_mrz',
  credential: 'leak_credential',
  mail: 'leak_mail',
  'payment-card': 'leak_payment_card',
  iban: 'leak_iban',
  secret: 'leak_secret',
};

export function Leaks() {
  const { t, say, count, country } = useWords();
  const { me } = useHere();
  const [told, setTold] = useState<Told | null>(null);
  const [name, setName] = useState('');
  const doing = useDoing();
  const look = (given: File) => {
    doing.run(async (signal) => {
      setTold(null);
      setName(given.name);
      const form = new FormData();
      form.set('file', given);
      setTold(await send<Told>('POST', '/api/v1/leak', form, { signal }));
    });
  };
  const named = (kind: string) => {
    const [plain, code] = kind.split(':');
    if (plain === 'national-id') return t('leak_national_id', { country: country(code ?? '') });
    const key = KINDS[kind];
    return key ? t(key) : kind;
  };
  const pairs = (of: Record<string, number> | undefined) => Object.entries(of ?? {}).sort((a, b) => b[1] - a[1]);
  return (
    <>
      <Head title={t('view_leaks')} />
      <p>{t('leaks_what')}</p>
      {me.role === 'reader' ? <p class="faint">{t('analysts_only')}</p> : <Drop label={t('any_file')} onFile={look} />}
      {doing.busy ? (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" /> {t('looking_through', { name })}
          <button type="button" onClick={doing.cancel}>
            {t('cancel')}
          </button>
        </p>
      ) : null}
      <Trouble problem={doing.problem} />
      {told ? (
        <article>
          <header class="said">
            <p class="sentence">{t('leak_sentence', { persons: count(told.summary.persons), name })}</p>
          </header>
          <div class="columns">
            <section>
              <h2>{t('by_kind')}</h2>
              <Table
                caption={t('by_kind')}
                empty={t('nothing_found')}
                rows={pairs(told.summary.by_kind)}
                columns={[
                  { head: t('kind'), cell: ([kind]) => named(kind) },
                  { head: t('values'), right: true, cell: ([, values]) => count(values) },
                ]}
              />
            </section>
            <section>
              <h2>{t('by_domain')}</h2>
              <Table
                caption={t('by_domain')}
                empty={t('nothing_found')}
                rows={pairs(told.summary.by_domain).slice(0, 30)}
                columns={[
                  { head: t('domain'), cell: ([domain]) => domain },
                  { head: t('values'), right: true, cell: ([, values]) => count(values) },
                ]}
              />
            </section>
          </div>
          <h2>{t('found_where')}</h2>
          <Table
            caption={t('found_where')}
            empty={t('nothing_found')}
            rows={told.findings}
            columns={[
              { head: t('severity'), cell: (one) => <SeverityMark severity={one.severity} /> },
              { head: t('what'), cell: (one) => say(one.title) },
              { head: t('reasons'), cell: (one) => one.reasons.map(say).join(' ') },
              {
                head: t('places'),
                cell: (one) => (one.evidence['places'] as string[] | undefined)?.slice(0, 5).map(say).join('; ') ?? '',
              },
              {
                head: t('samples'),
                cell: (one) => (
                  <code>{(one.evidence['samples'] as string[] | undefined)?.slice(0, 3).join(' · ') ?? ''}</code>
                ),
              },
            ]}
          />
          <div class="actions">
            <button
              type="button"
              onClick={() =>
                save(
                  'leak-summary.csv',
                  csv(
                    ['what', 'count', 'places', 'samples'],
                    told.findings.map((one) => [
                      one.title,
                      Number(one.evidence['count'] ?? 0),
                      ((one.evidence['places'] as string[] | undefined) ?? []).join('; '),
                      ((one.evidence['samples'] as string[] | undefined) ?? []).join('; '),
                    ]),
                  ),
                )
              }
            >
              {t('save_csv')}
            </button>
            <button type="button" onClick={() => print()}>
              {t('print')}
            </button>
          </div>
          {told.skipped.length ? (
            <ul class="faint">
              {told.skipped.map((one) => (
                <li key={one.what}>{t('skipped_line', { what: one.what, why: say(one.why) })}</li>
              ))}
            </ul>
          ) : null}
          <Command text={`tidegauge leak ${name}`} />
        </article>
      ) : null}
    </>
  );
}
