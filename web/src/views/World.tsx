/** Origins on a map by their amount against what was to be expected, playing over time, with the ranking beside it. */
import type { Feature, FeatureCollection } from 'geojson';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { feature } from 'topojson-client';
import { get, type Query } from '../api/client';
import type { Country, World as Told } from '../api/answers';
import { Chart, echarts, palette, tooltipOf, type ChartHandle } from '../parts/Chart';
import { Command, Field, Head, Link, Table, Trouble, Waiting } from '../parts/common';
import { useAsked } from '../lib/asking';
import { command } from '../lib/command';
import { change, go, usePlace } from '../lib/route';
import { unwrapped } from '../lib/map';
import { useWords } from '../lib/settings';
import { queryOf } from '../api/client';

const FRAME_MS = 700;
const SHOWN = 40;

interface Ground {
  codes: Map<string, string>;
}

/** The map's shapes under their ISO codes, loaded when the view is first opened. */
async function ground(): Promise<Ground> {
  const [shapes, told] = await Promise.all([
    import('world-atlas/countries-110m.json'),
    get<{ countries: Country[] }>('/api/v1/places'),
  ]);
  const codes = new Map(told.countries.map((one) => [one.number, one.code]));
  const topology = shapes.default as unknown as Parameters<typeof feature>[0];
  const countries = topology.objects['countries'];
  if (!countries) throw new Error('no countries in the map');
  const found = feature(topology, countries) as FeatureCollection;
  const named: Feature[] = found.features
    .filter((one) => one.id !== '010')
    .map((one) => ({
      ...one,
      geometry: unwrapped(one.geometry),
      properties: { name: codes.get(String(one.id)) ?? (one.properties?.['name'] as string) },
    }));
  echarts.registerMap('world', { type: 'FeatureCollection', features: named } as Parameters<
    typeof echarts.registerMap
  >[1]);
  return { codes };
}

export function World() {
  const words = useWords();
  const { t, moment, amount, country, times, duration } = words;
  const { query } = usePlace();
  const asked = {
    since: query.get('since') ?? '-7d',
    until: query.get('until') ?? '',
    direction: query.get('direction') ?? 'in',
  };
  const key = JSON.stringify(asked);
  const [map, setMap] = useState<Ground | null>(null);
  useEffect(() => {
    ground()
      .then(setMap)
      .catch(() => setMap(null));
  }, []);
  const world = useAsked<Told>(key, (signal) => get('/api/v1/world', asked as Query<'/api/v1/world'>, { signal }));
  const told = world.value;
  const frames = told?.start_s.length ?? 0;
  // All of the time together stands before its first frame.
  const [frame, setFrame] = useState(-1);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    setFrame(-1);
    setPlaying(false);
  }, [told]);
  useEffect(() => {
    if (!playing || !frames) return undefined;
    const ticking = setInterval(() => {
      setFrame((before) => {
        if (before + 1 >= frames) {
          setPlaying(false);
          return before;
        }
        return before + 1;
      });
    }, FRAME_MS);
    return () => clearInterval(ticking);
  }, [playing, frames]);

  const rows = useMemo(() => {
    if (!told) return [];
    const of = (values: number[]) => (frame < 0 ? values.reduce((sum, one) => sum + one, 0) : (values[frame] ?? 0));
    return told.countries
      .map((one) => ({ code: one.country, value: of(one.value), expected: one.expected ? of(one.expected) : null }))
      .sort((a, b) => b.value - a.value);
  }, [told, frame]);
  const ready = useRef<ChartHandle | null>(null);
  const ask = (code: string) =>
    go(
      '/ask' +
        queryOf({
          from: code,
          since: asked.since,
          until: asked.until,
          direction: asked.direction === 'out' ? 'out' : '',
        }),
    );
  const shownFrame = frame < 0 ? t('whole_time') : told ? moment(told.start_s[frame] ?? 0) : '';
  return (
    <>
      <Head title={t('view_world')}>
        <form class="inline" onSubmit={(event) => event.preventDefault()}>
          <Field label={t('since')}>
            {(id) => (
              <input
                id={id}
                size={12}
                value={asked.since}
                onChange={(event) => change({ since: event.currentTarget.value }, false)}
              />
            )}
          </Field>
          <Field label={t('until')}>
            {(id) => (
              <input
                id={id}
                size={12}
                value={asked.until}
                placeholder={t('now')}
                onChange={(event) => change({ until: event.currentTarget.value }, false)}
              />
            )}
          </Field>
          <Field label={t('direction')}>
            {(id) => (
              <select
                id={id}
                value={asked.direction}
                onChange={(event) => change({ direction: event.currentTarget.value }, false)}
              >
                <option value="in">{t('direction_in')}</option>
                <option value="out">{t('direction_out')}</option>
              </select>
            )}
          </Field>
        </form>
      </Head>
      <Waiting asked={world} />
      <Trouble problem={world.problem} />
      {told && map ? (
        <div class="world">
          <section>
            <Chart
              height={440}
              label={t('world_label', { time: shownFrame })}
              replace={false}
              onReady={(made) => {
                ready.current = made;
                made.on('click', (clicked) => {
                  if (/^[A-Z]{2}$/.test(clicked.name)) ask(clicked.name);
                });
              }}
              option={mapOption(rows, words)}
            />
            <div class="player">
              <button
                type="button"
                onClick={() => (frame + 1 >= frames ? (setFrame(-1), setPlaying(true)) : setPlaying(!playing))}
              >
                {playing ? t('pause') : t('play')}
              </button>
              <input
                type="range"
                min={-1}
                max={frames - 1}
                value={frame}
                aria-label={t('frame')}
                aria-valuetext={shownFrame}
                onInput={(event) => {
                  setPlaying(false);
                  setFrame(Number(event.currentTarget.value));
                }}
              />
              <output>{shownFrame}</output>
            </div>
            <p class="faint">
              {t('world_how', { width: duration(told.width_s) })}{' '}
              {told.countries.some((one) => one.expected) ? '' : t('world_no_history')}
            </p>
          </section>
          <section>
            <h2>{t('ranking')}</h2>
            <Table
              caption={t('ranking')}
              rows={rows.slice(0, SHOWN)}
              columns={[
                {
                  head: t('origin'),
                  cell: (row) => (
                    <Link to={'/ask' + queryOf({ from: row.code, since: asked.since, until: asked.until })}>
                      {country(row.code)} <span class="faint">{row.code}</span>
                    </Link>
                  ),
                },
                { head: t('observed'), right: true, cell: (row) => amount(row.value, told.metric) },
                {
                  head: t('expected'),
                  right: true,
                  cell: (row) => (row.expected === null ? '–' : amount(row.expected, told.metric)),
                },
                {
                  head: t('against'),
                  right: true,
                  cell: (row) => (row.expected ? times(row.value / row.expected) : '–'),
                },
              ]}
            />
          </section>
        </div>
      ) : null}
      <Command
        text={command('top', { since: asked.since, until: asked.until, where: `direction = '${asked.direction}'` }, [
          'far_country',
        ])}
      />
    </>
  );
}

/** How far above what was expected, in doublings: 0 as expected or below, 3 eight times as much. */
function above(value: number, expected: number | null): number {
  return expected === null ? 0 : Math.max(0, Math.min(3, Math.log2((value + 1) / (expected + 1))));
}

function mapOption(
  rows: { code: string; value: number; expected: number | null }[],
  words: ReturnType<typeof useWords>,
) {
  const ink = palette(words.dark);
  const { t, amount, country } = words;
  const compared = rows.some((row) => row.expected !== null);
  const most = Math.max(1, ...rows.map((row) => row.value));
  return {
    tooltip: {
      ...tooltipOf(ink),
      formatter: (told: { name: string; data?: { amount: number; expected: number | null } }) =>
        told.data
          ? [
              country(told.name),
              `${t('observed')}: ${amount(told.data.amount, 'bytes')}`,
              ...(told.data.expected === null ? [] : [`${t('expected')}: ${amount(told.data.expected, 'bytes')}`]),
            ].join('\n')
          : country(told.name),
    },
    visualMap: {
      min: 0,
      max: compared ? 3 : Math.log10(most),
      calculable: false,
      orient: 'horizontal',
      left: 8,
      bottom: 0,
      itemHeight: 90,
      text: compared ? [t('eight_times'), t('as_expected')] : [t('much'), t('little')],
      textStyle: { color: ink.faint },
      inRange: { color: [...ink.map] },
    },
    series: [
      {
        type: 'map',
        map: 'world',
        roam: true,
        scaleLimit: { min: 1, max: 12 },
        left: 4,
        right: 4,
        top: 4,
        bottom: 28,
        itemStyle: {
          areaColor: words.dark ? '#18222b' : '#f2f5f7',
          borderColor: words.dark ? '#4a5b69' : '#9fb0bd',
          borderWidth: 0.6,
        },
        emphasis: { label: { show: false }, itemStyle: { areaColor: ink.flag } },
        select: { disabled: true },
        data: rows
          .filter((row) => row.value > 0)
          .map((row) => ({
            name: row.code,
            value: compared ? above(row.value, row.expected) : Math.log10(row.value + 1),
            amount: row.value,
            expected: row.expected,
          })),
      },
    ],
  };
}
