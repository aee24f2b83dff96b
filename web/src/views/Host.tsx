/** All about one address: what it displays and how far to believe that, its traffic, peers, names and findings. */
import { useState } from 'preact/hooks';
import { get, queryOf } from '../api/client';
import type { KeptFinding } from '../api/answers';
import { Chart, palette, tooltipOf } from '../parts/Chart';
import { Address, Command, Field, Folded, Head, Link, Table, Trouble, Waiting } from '../parts/common';
import { useAsked } from '../lib/asking';
import { useHere } from '../lib/here';
import { change, go, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';
import { Displayed } from './Origin';
import { Story } from './Findings';
import type { Direction } from '../api/answers';

interface Series {
  width_s: number;
  start_s: number[];
  value: number[];
  coverage: number[];
}

interface Names {
  names: { name: string; relation: string; count: number; first: string; last: string }[];
  left_out: number;
}

const WHERE = /^[0-9a-fA-F:.]+$/;

export function Host() {
  const { t } = useWords();
  const { path, query } = usePlace();
  const address = path[1] ?? '';
  const [typed, setTyped] = useState(address);
  return (
    <>
      <Head title={address ? t('host_title', { address }) : t('view_host')}>
        <form
          class="inline"
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim()) go(`/host/${encodeURIComponent(typed.trim())}`);
          }}
        >
          <Field label={t('address')}>
            {(id) => (
              <input
                id={id}
                value={typed}
                size={20}
                placeholder="192.0.2.1"
                spellcheck={false}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            )}
          </Field>
          <button type="submit">{t('show')}</button>
        </form>
      </Head>
      {address && WHERE.test(address) ? (
        <About key={address} address={address} since={query.get('since') ?? ''} at={query.get('at') ?? ''} />
      ) : (
        <p class="faint">{address ? t('no_address') : t('host_what')}</p>
      )}
    </>
  );
}

function About({ address, since, at }: { address: string; since: string; at: string }) {
  const words = useWords();
  const { t, moment, count, amount, percent } = words;
  const { site } = useHere();
  // One address is either end; which one is ours, its direction says.
  const where = `(src = '${address}' OR dst = '${address}')`;
  const span = since ? { since } : {};
  const directions: Direction[] = ['in', 'out'];
  const series = useAsked<Series[]>(`${address} ${since}`, (signal) =>
    Promise.all(
      directions.map((direction) =>
        get<Series>('/api/v1/series', { where, direction, width: '1h', ...span }, { signal }),
      ),
    ),
  );
  const peers = useAsked<{ rows: Record<string, string | number>[] }>(`${address} ${since} peers`, (signal) =>
    get('/api/v1/top', { by: ['src', 'dst', 'proto', 'dst_port'], where, n: 20, ...span }, { signal }),
  );
  const names = useAsked<Names>(`${address} ${since} names`, (signal) =>
    get('/api/v1/names', { address, ...span }, { signal }),
  );
  const findings = useAsked<{ findings: KeptFinding[] }>(`${address} findings`, (signal) =>
    get('/api/v1/findings', { subject: address, closed: true }, { signal }),
  );
  const ink = palette(words.dark);
  const told = series.value;
  const when = at || (site.data?.until ?? '');
  return (
    <>
      <div class="columns">
        <section>
          <h2>{t('displayed_title')}</h2>
          <Displayed address={address} at={when} />
        </section>
        <section>
          <h2>{t('names_title')}</h2>
          <Waiting asked={names} />
          {names.problem ? <Trouble problem={names.problem} /> : null}
          <Table
            caption={t('names_title')}
            empty={t('no_names')}
            rows={names.value?.names.slice(0, 50) ?? []}
            columns={[
              { head: t('name'), cell: (row) => row.name },
              { head: t('relation'), cell: (row) => t(row.relation === 'asked' ? 'relation_asked' : 'relation_led') },
              { head: t('times'), right: true, cell: (row) => count(row.count) },
              { head: t('first'), cell: (row) => moment(row.first) },
              { head: t('last'), cell: (row) => moment(row.last) },
            ]}
          />
        </section>
      </div>
      <section>
        <h2>{t('traffic_title')}</h2>
        <form class="inline" onSubmit={(event) => event.preventDefault()}>
          <Field label={t('since')}>
            {(id) => (
              <input
                id={id}
                size={12}
                value={since}
                placeholder={t('all')}
                onChange={(event) => change({ since: event.currentTarget.value })}
              />
            )}
          </Field>
        </form>
        <Waiting asked={series} />
        <Trouble problem={series.problem} />
        {told ? (
          <Chart
            height={260}
            label={t('traffic_label', { address })}
            option={{
              textStyle: { color: ink.ink, fontFamily: 'inherit' },
              grid: { left: 12, right: 16, top: 36, bottom: 60, containLabel: true },
              legend: { top: 2, left: 'left', textStyle: { color: ink.ink } },
              tooltip: {
                trigger: 'axis',
                ...tooltipOf(ink),
                valueFormatter: (value: unknown) => amount(Math.abs(Number(value)), 'bytes'),
              },
              xAxis: {
                type: 'time',
                axisLabel: {
                  color: ink.faint,
                  hideOverlap: true,
                  formatter: (ms: number) => moment(ms / 1000).slice(5),
                },
              },
              yAxis: {
                type: 'value',
                axisLabel: { color: ink.faint, formatter: (value: number) => amount(Math.abs(value), 'bytes') },
                splitLine: { lineStyle: { color: ink.line } },
              },
              dataZoom: [
                {
                  type: 'slider',
                  height: 20,
                  bottom: 6,
                  borderColor: ink.line,
                  textStyle: { color: ink.faint },
                  labelFormatter: (ms: number) => moment(ms / 1000).slice(5),
                },
              ],
              // What goes out is drawn below the line: told apart by its place, not by colour alone.
              series: told.map((one, place) => ({
                name: t(`direction_${directions[place] ?? 'in'}`),
                type: 'line',
                step: 'end',
                symbol: 'none',
                sampling: place ? 'min' : 'max',
                areaStyle: { opacity: 0.25 },
                lineStyle: { width: 1, color: place ? ink.critical : ink.series },
                itemStyle: { color: place ? ink.critical : ink.series },
                data: one.start_s.map((start, bin) => [start * 1000, (place ? -1 : 1) * (one.value[bin] ?? 0)]),
              })),
            }}
          />
        ) : null}
        {told ? <SeriesTable series={told} directions={directions} /> : null}
        <h2>{t('peers')}</h2>
        <Waiting asked={peers} />
        <Table
          caption={t('peers')}
          empty={t('no_flows')}
          rows={peers.value?.rows ?? []}
          columns={[
            { head: t('source'), cell: (row) => <Address address={String(row['src'])} at={when} /> },
            { head: t('destination'), cell: (row) => <Address address={String(row['dst'])} at={when} /> },
            { head: t('protocol'), cell: (row) => protocol(Number(row['proto'])) },
            { head: t('port'), right: true, cell: (row) => String(row['dst_port']) },
            { head: t('amount'), right: true, cell: (row) => amount(Number(row['bytes']), 'bytes') },
            { head: t('share'), right: true, cell: (row) => percent(Number(row['share'])) },
          ]}
        />
        <p>
          <Link to={'/flows' + queryOf({ where, since })}>{t('flows_behind')}</Link>
        </p>
      </section>
      <section>
        <h2>{t('view_findings')}</h2>
        <Waiting asked={findings} />
        {findings.value?.findings.length === 0 ? <p class="faint">{t('no_findings_here')}</p> : null}
        {findings.value?.findings.map((one) => (
          <details key={one.id} class="folded">
            <summary>{one.title}</summary>
            <Story one={one} />
          </details>
        ))}
        <Command text={`tidegauge flows --where "${where}"`} />
      </section>
    </>
  );
}

const MOST_ROWS = 400;

/** The same hours as the chart, those without traffic left out. */
function SeriesTable({ series, directions }: { series: Series[]; directions: Direction[] }) {
  const { t, moment, amount } = useWords();
  const starts = series[0]?.start_s ?? [];
  const rows = () =>
    starts
      .map((start, place) => ({ start, values: series.map((one) => one.value[place] ?? 0) }))
      .filter((row) => row.values.some((value) => value > 0))
      .slice(-MOST_ROWS);
  return (
    <Folded summary={t('as_table')}>
      {() => (
        <Table
          caption={t('as_table')}
          rows={rows()}
          columns={[
            { head: t('from_time'), cell: (row) => moment(row.start) },
            ...directions.map((direction, place) => ({
              head: t(`direction_${direction}`),
              right: true,
              cell: (row: { values: number[] }) => amount(row.values[place] ?? 0, 'bytes'),
            })),
          ]}
        />
      )}
    </Folded>
  );
}

export function protocol(number: number): string {
  return { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 47: 'GRE', 50: 'ESP', 58: 'ICMPv6' }[number] ?? String(number);
}
