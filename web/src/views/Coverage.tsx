/** When we saw, and when we were blind: exporters by time. */
import { useMemo, useState } from 'preact/hooks';
import { get, type Query } from '../api/client';
import type { Coverage as Told } from '../api/answers';
import { CaseButton } from '../parts/CaseButton';
import { Chart, hatching, palette, tooltipOf } from '../parts/Chart';
import { Command, Empty, Field, Head, Table, Trouble, Waiting } from '../parts/common';
import { useAsked } from '../lib/asking';
import { command } from '../lib/command';
import { cellsOf, label, STATES, type Cell, type State } from '../lib/heat';
import { change, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';

const COLUMNS = 120;
const ROW = 26;
const MOST_BLIND = 500;

export function Coverage() {
  const words = useWords();
  const { t, say, moment, percent, count, duration } = words;
  const { query } = usePlace();
  const asked = { since: query.get('since') ?? '', until: query.get('until') ?? '' };
  const coverage = useAsked<Told>(JSON.stringify(asked), (signal) =>
    get('/api/v1/coverage', asked as Query<'/api/v1/coverage'>, { signal }),
  );
  const told = coverage.value;
  const heat = useMemo(() => (told ? cellsOf(told, COLUMNS) : null), [told]);
  const [shown, setShown] = useState<Cell | null>(null);
  const ink = palette(words.dark);
  const colours: Record<State, unknown> = {
    complete: words.dark ? '#2c6e91' : '#7fb8d8',
    lossy: words.dark ? '#e0a33e' : '#e69f00',
    silent: hatching(words.dark),
    clock: words.dark ? '#c58fb5' : '#cc79a7',
  };
  const one = shown ? told?.exporters[shown.row] : undefined;
  return (
    <>
      <Head title={t('view_coverage')}>
        <form class="inline" onSubmit={(event) => event.preventDefault()}>
          <Field label={t('since')}>
            {(id) => (
              <input
                id={id}
                size={14}
                value={asked.since}
                placeholder={t('all')}
                onChange={(event) => change({ since: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={t('until')}>
            {(id) => (
              <input
                id={id}
                size={14}
                value={asked.until}
                placeholder={t('now')}
                onChange={(event) => change({ until: event.currentTarget.value })}
              />
            )}
          </Field>
        </form>
      </Head>
      <Waiting asked={coverage} />
      <Trouble problem={coverage.problem} />
      {told && !told.exporters.length ? <Empty title={t('no_exporters')} /> : null}
      {told?.exporters.length && heat ? (
        <>
          <p class="lead">
            {t('coverage_sentence', {
              share: percent(told.share),
              since: moment(told.since),
              until: moment(told.until),
            })}
          </p>
          {told.caveats.length ? (
            <ul>
              {told.caveats.map((one) => (
                <li key={one}>{say(one)}</li>
              ))}
            </ul>
          ) : null}
          <Chart
            height={told.exporters.length * ROW + 110}
            label={t('coverage_label')}
            onReady={(made) =>
              made.on('click', (clicked) => {
                const cell = (clicked.data as { cell?: Cell } | undefined)?.cell;
                if (cell) setShown(cell);
              })
            }
            option={{
              textStyle: { color: ink.ink, fontFamily: 'inherit' },
              grid: { left: 12, right: 16, top: 40, bottom: 30, containLabel: true },
              legend: { top: 2, left: 'left', textStyle: { color: ink.ink }, selectedMode: false },
              tooltip: {
                ...tooltipOf(ink),
                formatter: (hovered: { data: { cell: Cell } }) => {
                  const { cell } = hovered.data;
                  return [
                    `${moment((heat.starts[cell.column] ?? 0) / 1000)}: ${t(cell.state)}`,
                    t('coverage_line', { share: percent(cell.share) }),
                    ...cell.why.map(say),
                  ].join('\n');
                },
              },
              xAxis: {
                type: 'category',
                data: heat.starts.map((start) => moment(start / 1000).slice(5)),
                axisLabel: { color: ink.faint, hideOverlap: true },
                axisTick: { show: false },
              },
              yAxis: {
                type: 'category',
                data: told.exporters.map(label),
                inverse: true,
                axisLabel: { color: ink.ink },
                axisTick: { show: false },
              },
              // A series a state, so that the legend names them and none is told by colour alone: silence is hatched.
              series: STATES.map((state) => ({
                name: t(state),
                type: 'custom',
                itemStyle: { color: colours[state] },
                renderItem: (
                  _: unknown,
                  api: {
                    value: (at: number) => number;
                    coord: (place: [number, number]) => [number, number];
                    size: (of: [number, number]) => [number, number];
                    style: () => object;
                  },
                ) => {
                  const [x, y] = api.coord([api.value(0), api.value(1)]);
                  const [wide, high] = api.size([1, 1]);
                  return {
                    type: 'rect',
                    shape: { x: x - wide / 2, y: y - high / 2 + 2, width: wide + 0.5, height: high - 4 },
                    style: { fill: colours[state] },
                  };
                },
                data: heat.cells
                  .filter((cell) => cell.state === state)
                  .map((cell) => ({ value: [cell.column, cell.row], cell })),
              })),
            }}
          />
          {shown && one ? (
            <section class="tile" aria-live="polite">
              <h2>
                {t('cell_title', {
                  exporter: label(one),
                  start: moment((heat.starts[shown.column] ?? 0) / 1000),
                  width: duration(heat.width / 1000),
                })}
              </h2>
              <p>
                {t(shown.state)} · {t('coverage_line', { share: percent(shown.share) })}
              </p>
              <ul>
                {one.blind
                  .filter(
                    (blind) =>
                      Date.parse(blind.end) > (heat.starts[shown.column] ?? 0) &&
                      Date.parse(blind.start) < (heat.starts[shown.column] ?? 0) + heat.width,
                  )
                  .map((blind) => (
                    <li key={blind.start + blind.why}>
                      {t('blind_line', { start: moment(blind.start), end: moment(blind.end), why: say(blind.why) })}
                    </li>
                  ))}
              </ul>
            </section>
          ) : null}
          <Table
            caption={t('exporters')}
            rows={told.exporters}
            columns={[
              { head: t('exporter'), cell: (row) => label(row) },
              {
                head: t('standing'),
                cell: (row) =>
                  t(
                    row.standing === 'new'
                      ? 'standing_new'
                      : row.standing === 'contradictory'
                        ? 'standing_contradictory'
                        : 'standing_proven',
                  ),
              },
              { head: t('seen_share'), right: true, cell: (row) => percent(row.share) },
              { head: t('records'), right: true, cell: (row) => count(row.records) },
              { head: t('lost'), right: true, cell: (row) => count(row.lost) },
              { head: t('sampling'), right: true, cell: (row) => row.sampling.map((rate) => `1:${rate}`).join(', ') },
              { head: t('clock_head'), right: true, cell: (row) => duration(Math.abs(Math.round(row.skew_s))) },
              { head: t('blind_times'), right: true, cell: (row) => count(row.blind.length) },
            ]}
          />
          {told.exporters.map((row) =>
            row.blind.length ? (
              <details key={label(row)} class="folded">
                <summary>{t('blind_of', { exporter: label(row), count: count(row.blind.length) })}</summary>
                <ul>
                  {row.blind.slice(0, MOST_BLIND).map((blind) => (
                    <li key={blind.start + blind.why}>
                      {t('blind_line', { start: moment(blind.start), end: moment(blind.end), why: say(blind.why) })}
                    </li>
                  ))}
                </ul>
              </details>
            ) : null,
          )}
          <div class="actions">
            <CaseButton verb="coverage" question={{ since: told.since, until: told.until }} />
          </div>
          <Command text={command('coverage', asked)} />
        </>
      ) : null}
    </>
  );
}
