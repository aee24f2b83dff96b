/** An answer as one sentence, with its picture, its limits and what it rests on. */
import { useEffect, useState } from 'preact/hooks';
import { get, queryOf } from '../api/client';
import type { Alarm, Answer, CaseEntry, Chart as Drawn, Excess, Metric } from '../api/answers';
import { CaseButton } from '../parts/CaseButton';
import { Chart, palette, type ChartHandle } from '../parts/Chart';
import { Command, Copy, Dialogue, Field, Folded, Link, Table, VerdictMark } from '../parts/common';
import { command } from '../lib/command';
import { save } from '../lib/csv';
import { stamp } from '../lib/format';
import { questionOf, type Form } from '../lib/question';
import { change } from '../lib/route';
import { preferredScale } from '../lib/scale';
import { useWords, type Words } from '../lib/settings';
import { chartCsv, drawn, type Flag, type Scale } from './picture';
import { Would } from './Would';

/** The answer in one sentence. */
export function sentence(answer: Answer, words: Words): string {
  const { t, moment, amount, duration, percent, country } = words;
  const { selection, direction, metric, since, until } = answer.question;
  const name = selection
    .split(',')
    .map((one) => country(one))
    .join(', ');
  const out = direction === 'out' ? 'out' : 'in';
  const values = { selection: name, metric: t(metricKey(metric)), since: moment(since), until: moment(until) };
  if (answer.verdict === 'cannot_say') return t(`answer_cannot_say_${out}`, values);
  if (answer.verdict === 'surge') {
    const first = answer.surges[0];
    if (!first) return t(`answer_surge_${out}`, { ...values, start: '', end: '', observed: '', expected: '' });
    return t(`answer_surge_${out}`, {
      ...values,
      start: moment(first.start),
      end: moment(first.end),
      observed: amount(first.observed, metric),
      count: answer.surges.length,
      expected: amount(first.expected, metric),
    });
  }
  const hour = answer.detection_limit.find((limit) => limit.duration_s === 3600) ?? answer.detection_limit[0];
  const least = hour?.[metric as Metric];
  if (!hour || least === undefined) return t(`answer_no_surge_${out}`, values);
  return t(`answer_no_surge_limit_${out}`, {
    ...values,
    limit: amount(least, metric),
    duration: duration(hour.duration_s),
    power: percent(answer.power),
  });
}

function metricKey(metric: string) {
  return metric === 'packets' || metric === 'flows' || metric === 'hosts'
    ? (`metric_${metric}` as const)
    : 'metric_bytes';
}

function asText(answer: Answer, words: Words, line: string): string {
  const { t, say, amount, duration, percent, moment } = words;
  const { metric } = answer.question;
  return [
    sentence(answer, words),
    ...answer.detection_limit.map((limit) => {
      const least = limit[metric as Metric];
      return least === undefined
        ? t('limit_none', { duration: duration(limit.duration_s) })
        : t('limit_line', {
            amount: amount(least, metric),
            duration: duration(limit.duration_s),
            power: percent(answer.power),
          });
    }),
    t('coverage_line', { share: percent(answer.coverage.share) }),
    ...answer.coverage.blind.map((one) =>
      t('blind_line', { start: moment(one.start), end: moment(one.end), why: say(one.why) }),
    ),
    ...answer.caveats.map(say),
    line,
  ].join('\n');
}

export function Given({ answer, form, stale, words }: { answer: Answer; form: Form; stale: boolean; words: Words }) {
  const { t, say, moment, amount, duration, percent } = words;
  const [surge, setSurge] = useState<Excess | null>(null);
  const [handle, setHandle] = useState<ChartHandle | null>(null);
  const { metric } = answer.question;
  const options = { ...questionOf(form), since: answer.question.since, until: answer.question.until };
  const line = command('ask', options);
  const flags = useFlags(answer);
  const [zoom, setZoom] = useState<[number, number] | null>(null);
  const chart = answer.chart;
  const [chosen, setScale] = useState<Scale | null>(null);
  const scale = chosen ?? (chart ? preferredScale(chart) : 'linear');
  return (
    <article class={stale ? 'answer stale' : 'answer'} aria-busy={stale}>
      <header class={`said ${answer.verdict}`}>
        <VerdictMark verdict={answer.verdict} />
        <p class="sentence">{sentence(answer, words)}</p>
        <p class="faint">
          {t('coverage_line', { share: percent(answer.coverage.share) })}{' '}
          {t('false_alarm_line', { share: percent(answer.false_alarm) })}
        </p>
      </header>
      <div class="actions">
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            checked={form.wide !== ''}
            disabled={!form.from}
            onChange={(event) => change({ wide: event.currentTarget.checked ? 'true' : null }, false)}
          />
          {t('widely')}
        </label>
        <CaseButton
          verb="ask"
          question={questionOf({ ...form, since: answer.question.since, until: answer.question.until })}
        />
        <Copy text={asText(answer, words, line)} label="copy_text" />
        <button
          type="button"
          onClick={() => {
            const url = handle?.getDataURL({ type: 'png', pixelRatio: 2, backgroundColor: palette(words.dark).ground });
            if (url) void fetch(url).then(async (told) => save('tidegauge.png', await told.blob()));
          }}
        >
          {t('save_png')}
        </button>
        {chart ? (
          <button type="button" onClick={() => save('tidegauge.csv', chartCsv(chart))}>
            {t('save_csv')}
          </button>
        ) : null}
      </div>
      {chart ? (
        <figure>
          <Chart
            option={drawn(answer, chart, words, flags, scale)}
            height={380}
            label={t('chart_label', { sentence: sentence(answer, words) })}
            onDrawn={(made) => {
              // Dragging selects a time; a double click shows all of it again.
              const select = { key: 'dataZoomSelect', dataZoomSelectActive: true };
              made.dispatchAction({ type: 'takeGlobalCursor', ...select });
            }}
            onReady={(made) => {
              setHandle(made);
              // Wherever a surge is marked, a click opens what carried it.
              made.getZr().on('click', (event) => {
                const at = made.convertFromPixel({ xAxisIndex: 0 }, event.offsetX);
                const one = answer.surges.find((surge) => Date.parse(surge.start) <= at && at < Date.parse(surge.end));
                if (one && made.containPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY])) setSurge(one);
              });
              made.on('datazoom', () => {
                const option = made.getOption() as {
                  dataZoom?: { startValue?: number; endValue?: number; start?: number; end?: number }[];
                };
                const one = option.dataZoom?.[0];
                const whole = (one?.start ?? 0) <= 0.01 && (one?.end ?? 100) >= 99.99;
                setZoom(
                  one?.startValue !== undefined && one.endValue !== undefined && !whole
                    ? [one.startValue, one.endValue]
                    : null,
                );
              });
              made.getZr().on('dblclick', () => made.dispatchAction({ type: 'dataZoom', start: 0, end: 100 }));
            }}
          />
          <figcaption class="faint">
            <Field label={t('scale')}>
              {(id) => (
                <select id={id} value={scale} onChange={(event) => setScale(event.currentTarget.value as Scale)}>
                  <option value="linear">{t('scale_linear')}</option>
                  <option value="log">{t('scale_log')}</option>
                </select>
              )}
            </Field>
            {t(scale === 'log' ? 'chart_how_log' : 'chart_how_linear', { width: duration(chart.width_s) })}{' '}
            {zoom ? (
              <>
                <button
                  type="button"
                  onClick={() =>
                    change({ since: stamp(Math.floor(zoom[0] / 1000)), until: stamp(Math.ceil(zoom[1] / 1000)) }, false)
                  }
                >
                  {t('ask_zoomed', { start: moment(zoom[0] / 1000), end: moment(zoom[1] / 1000) })}
                </button>{' '}
                <button type="button" onClick={() => handle?.dispatchAction({ type: 'dataZoom', start: 0, end: 100 })}>
                  {t('show_all')}
                </button>
              </>
            ) : null}
          </figcaption>
          <ChartTable chart={chart} metric={metric} words={words} />
        </figure>
      ) : null}
      <div class="columns">
        <section>
          <h2>{t('limits_title', { power: percent(answer.power) })}</h2>
          <Table
            caption={t('limits_title', { power: percent(answer.power) })}
            empty={t('limits_none')}
            rows={answer.detection_limit}
            columns={[
              { head: t('over'), cell: (limit) => duration(limit.duration_s) },
              {
                head: t('at_least'),
                right: true,
                cell: (limit) => {
                  const least = limit[metric as Metric];
                  return least === undefined ? t('not_seen') : amount(least, metric);
                },
              },
              ...(metric === 'bytes'
                ? [
                    {
                      head: t('as_rate'),
                      right: true,
                      cell: (limit: Answer['detection_limit'][number]) =>
                        limit['bits_per_second'] ? rate(limit['bits_per_second'], words) : '',
                    },
                  ]
                : []),
            ]}
          />
        </section>
        {chart?.would.length && answer.verdict === 'no_surge' ? <Would curves={chart.would} metric={metric} /> : null}
      </div>
      {answer.surges.length ? (
        <section>
          <h2>{t('surges')}</h2>
          <Table
            caption={t('surges')}
            rows={answer.surges}
            columns={[
              { head: t('from_time'), cell: (one) => moment(one.start) },
              { head: t('to_time'), cell: (one) => moment(one.end) },
              { head: t('observed'), right: true, cell: (one) => amount(one.observed, metric) },
              { head: t('expected'), right: true, cell: (one) => amount(one.expected, metric) },
              { head: t('p_value'), right: true, cell: (one) => one.p_value.toPrecision(2) },
              {
                head: t('carried'),
                cell: (one) => (
                  <button type="button" onClick={() => setSurge(one)}>
                    {t('what_carried')}
                  </button>
                ),
              },
            ]}
          />
        </section>
      ) : null}
      <section>
        <h2>{t('blind_title')}</h2>
        {answer.coverage.blind.length ? (
          <ul>
            {answer.coverage.blind.map((one) => (
              <li key={one.start}>
                {t('blind_line', { start: moment(one.start), end: moment(one.end), why: say(one.why) })}
              </li>
            ))}
          </ul>
        ) : (
          <p>{t('blind_none')}</p>
        )}
        <h2>{t('caveats')}</h2>
        <ul>
          {answer.caveats.map((one) => (
            <li key={one}>{say(one)}</li>
          ))}
        </ul>
        <details>
          <summary>{t('rests_on')}</summary>
          <p>{answer.method}</p>
          <p>
            {t('history', { start: moment(answer.question.baseline[0]), end: moment(answer.question.baseline[1]) })}{' '}
            {answer.trust.editions.map((one) => t('edition', { source: one.source, edition: one.edition })).join(' ')}{' '}
            {t('version', { version: answer.version })}
          </p>
        </details>
        <h2>{t('same_command')}</h2>
        <Command text={line} />
      </section>
      {surge ? <Carried surge={surge} answer={answer} form={form} onClose={() => setSurge(null)} /> : null}
    </article>
  );
}

function rate(bits: number, { amount }: Words): string {
  // Rates have the prefixes of amounts and another unit.
  return amount(bits, 'bytes').replace(/B$/, 'bit/s');
}

const MOST_ROWS = 400;

function ChartTable({ chart, metric, words }: { chart: Drawn; metric: string; words: Words }) {
  const { t, moment, amount, percent } = words;
  return (
    <Folded summary={t('as_table')}>
      {() => (
        <Table
          caption={t('as_table')}
          rows={chart.start_s.map((start, place) => ({ start, place })).slice(-MOST_ROWS)}
          columns={[
            { head: t('from_time'), cell: (row) => moment(row.start) },
            { head: t('observed'), right: true, cell: (row) => amount(chart.value[row.place] ?? 0, metric) },
            { head: t('expected'), right: true, cell: (row) => level(chart.expected?.[row.place], metric, amount) },
            { head: t('critical'), right: true, cell: (row) => level(chart.critical?.[row.place], metric, amount) },
            { head: t('seen_share'), right: true, cell: (row) => percent(chart.coverage[row.place] ?? 0) },
          ]}
        />
      )}
    </Folded>
  );
}

function level(value: number | undefined, metric: string, amount: Words['amount']): string {
  return value === undefined ? '–' : amount(value, metric);
}

/** Alarms about the same origin, and sealed answers to the same question: flags on the chart. */
function useFlags(answer: Answer): Flag[] {
  const { t } = useWords();
  const [flags, setFlags] = useState<Flag[]>([]);
  const { selection, direction, since, until } = answer.question;
  useEffect(() => {
    const control = new AbortController();
    const asking = { signal: control.signal };
    const [from, to] = [Date.parse(since), Date.parse(until)];
    const alarms = get<{ alarms: Alarm[] }>('/api/v1/alarms', { since, until, limit: 50 }, asking).then((told) =>
      told.alarms
        .filter((one) => one.series === `country ${selection} ${direction}` || one.series.includes(` ${selection} `))
        .map((one): Flag => ({ at: Date.parse(one.start), text: one.title, kind: 'alarm' })),
    );
    const evidence = get<{ cases: { name: string }[] }>('/api/v1/cases', undefined, asking).then(async (told) => {
      const found: Flag[] = [];
      for (const { name } of told.cases.slice(0, 5)) {
        const one = await get<{ entries: CaseEntry[] }>('/api/v1/cases/{name}', undefined, {
          ...asking,
          names: { name },
        });
        for (const entry of one.entries) {
          const question =
            entry.verb === 'ask' ? (entry.result?.['question'] as Answer['question'] | undefined) : undefined;
          if (question?.selection === selection && question.direction === direction) {
            found.push({
              at: Date.parse(question.until),
              text: t('sealed_as', { id: entry.id, name }),
              kind: 'evidence',
            });
          }
        }
      }
      return found;
    });
    Promise.allSettled([alarms, evidence])
      .then((told) => {
        const all = told.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
        setFlags(all.filter((flag) => flag.at >= from && flag.at <= to + 300_000));
      })
      .catch(() => setFlags([]));
    return () => control.abort();
  }, [selection, direction, since, until, t]);
  return flags;
}

function Carried({ surge, answer, form, onClose }: { surge: Excess; answer: Answer; form: Form; onClose: () => void }) {
  const { t, moment, amount, percent } = useWords();
  const { metric, direction } = answer.question;
  const where = [
    `direction = '${direction}'`,
    ...(/^[A-Z]{2}$/.test(form.from) ? [`far_country = '${form.from}'`] : []),
    ...(form.where ? [`(${form.where})`] : []),
  ].join(' AND ');
  return (
    <Dialogue title={t('surge_of', { start: moment(surge.start), end: moment(surge.end) })} onClose={onClose}>
      <p>{t('surge_line', { observed: amount(surge.observed, metric), expected: amount(surge.expected, metric) })}</p>
      <Table
        caption={t('carried')}
        empty={t('carried_none')}
        rows={surge.carried_by ?? []}
        columns={[
          { head: t('column'), cell: (one) => one.by },
          { head: t('value'), cell: (one) => one.value },
          { head: t('amount'), right: true, cell: (one) => amount(one.amount, metric) },
          { head: t('usually'), right: true, cell: (one) => amount(one.usual, metric) },
          { head: t('share'), right: true, cell: (one) => percent(one.share) },
        ]}
      />
      <p>
        <Link to={'/flows' + queryOf({ since: surge.start, until: surge.end, where })}>{t('flows_behind')}</Link>
      </p>
    </Dialogue>
  );
}
