/** For a screen on the wall: open alarms, exporters' state, the last hour, what is silent. */
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { Alarm, Check, Coverage } from '../api/answers';
import { Head, Link, SeverityMark, Table, Trouble } from '../parts/common';
import { useAsked } from '../lib/asking';
import { useHere } from '../lib/here';
import { useWords } from '../lib/settings';
import { queryOf } from '../api/client';
import type { Key } from '../i18n';

const EVERY_MS = 30_000;
const STATES: Record<Check['state'], string> = { ok: '✓', warn: '!', fail: '✕' };

interface Told {
  checks: Check[];
  alarms: Alarm[];
  coverage: Coverage;
  rows: { direction: string; bytes: number }[];
  at: number;
}

export function Now() {
  const { t, say, moment, amount, percent, count } = useWords();
  const { site } = useHere();
  const [round, setRound] = useState(0);
  useEffect(() => {
    const ticking = setInterval(() => setRound((before) => before + 1), EVERY_MS);
    return () => clearInterval(ticking);
  }, []);
  const now = useAsked<Told>(`${round}`, async (signal) => {
    const [health, alarms, coverage, top] = await Promise.all([
      get<{ checks: Check[] }>('/api/v1/health', undefined, { signal }),
      get<{ alarms: Alarm[] }>('/api/v1/alarms', { state: 'open' }, { signal }),
      site.data
        ? get<Coverage>('/api/v1/coverage', { since: '-1h' }, { signal })
        : { share: 0, since: '', until: '', exporters: [], caveats: [] },
      site.data
        ? get<{ rows: Told['rows'] }>('/api/v1/top', { by: ['direction'], since: '-1h' }, { signal })
        : { rows: [] },
    ]);
    return { checks: health.checks, alarms: alarms.alarms, coverage, rows: top.rows, at: Date.now() / 1000 };
  });
  const told = now.value;
  return (
    <>
      <Head title={t('view_now')}>{told ? <p class="faint">{t('as_of', { time: moment(told.at) })}</p> : null}</Head>
      <Trouble problem={now.problem} />
      {told ? (
        <div class="wall">
          <section class={told.alarms.length ? 'tile alarm' : 'tile'}>
            <h2>{t('open_alarms')}</h2>
            <p class="figure">{count(told.alarms.length)}</p>
            {told.alarms.length ? (
              <ul>
                {told.alarms.map((one) => (
                  <li key={one.id}>
                    <SeverityMark severity={one.severity} />{' '}
                    <Link
                      to={
                        '/ask' +
                        queryOf({ from: /\b([A-Z]{2})\b/.exec(one.series)?.[1] ?? '', since: one.start, until: '' })
                      }
                    >
                      {one.title}
                    </Link>{' '}
                    <span class="faint">{moment(one.start)}</span>
                  </li>
                ))}
              </ul>
            ) : (
              <p>{t('no_alarm', { budget: site.alarms })}</p>
            )}
          </section>
          <section class="tile">
            <h2>{t('last_hour')}</h2>
            <p class="figure">{percent(told.coverage.share)}</p>
            <p>{t('last_hour_seen', { until: told.coverage.until ? moment(told.coverage.until) : '–' })}</p>
            <dl>
              {told.rows.map((row) => (
                <div key={row.direction}>
                  <dt>{t(`direction_${row.direction}` as Key)}</dt>
                  <dd>{amount(row.bytes, 'bytes')}</dd>
                </div>
              ))}
            </dl>
          </section>
          <section class="tile">
            <h2>{t('exporters')}</h2>
            <Table
              caption={t('exporters')}
              empty={t('no_exporters')}
              rows={told.coverage.exporters}
              columns={[
                { head: t('exporter'), cell: (one) => one.exporter },
                {
                  head: t('state'),
                  cell: (one) =>
                    one.share >= 0.99 ? `✓ ${t('complete')}` : one.share > 0 ? `! ${t('lossy')}` : `✕ ${t('silent')}`,
                },
                { head: t('seen_share'), right: true, cell: (one) => percent(one.share) },
              ]}
            />
          </section>
          <section class="tile wide">
            <h2>{t('state')}</h2>
            <ul class="checks">
              {told.checks.map((one, place) => (
                <li key={place} class={one.state}>
                  <span aria-label={t(`check_${one.state}`)}>{STATES[one.state]}</span> {say(one.found)}
                  {one.advice ? <div class="faint">{say(one.advice)}</div> : null}
                </li>
              ))}
            </ul>
          </section>
        </div>
      ) : null}
    </>
  );
}
