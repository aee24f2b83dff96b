/** The picture behind an answer: the series, what was expected, the critical level, blind times, surges and flags. */
import type { EChartsCoreOption } from 'echarts/core';
import type { Answer, Chart } from '../api/answers';
import { csv } from '../lib/csv';
import { stamp } from '../lib/format';
import { floorOf } from '../lib/scale';
import type { Words } from '../lib/settings';
import { hatching, palette, tooltipOf } from '../parts/Chart';

export interface Flag {
  at: number;
  text: string;
  kind: 'alarm' | 'evidence';
}

export function chartCsv(chart: Chart): string {
  return csv(
    ['start', 'width_s', 'value', 'expected', 'critical', 'coverage'],
    chart.start_s.map((start, place) => [
      stamp(start),
      chart.width_s,
      chart.value[place] ?? null,
      chart.expected?.[place] ?? null,
      chart.critical?.[place] ?? null,
      chart.coverage[place] ?? null,
    ]),
  );
}

export type Scale = 'linear' | 'log';

export function drawn(answer: Answer, chart: Chart, words: Words, flags: Flag[], scale: Scale): EChartsCoreOption {
  const { t, amount, moment, percent, say } = words;
  const ink = palette(words.dark);
  const { metric } = answer.question;
  const width = chart.width_s * 1000;
  const times = chart.start_s.map((start) => start * 1000);
  const log = scale === 'log';
  // What is nothing stands at the floor of a logarithmic scale.
  const floor = floorOf(chart);
  const line = (values: number[] | undefined, step = false) =>
    (values ?? [])
      .map((value, place) => [times[place] ?? 0, log ? Math.max(value, floor) : value])
      .flatMap((pair, place, all) =>
        step && place === all.length - 1 ? [pair, [(pair[0] ?? 0) + width, pair[1]]] : [pair],
      );
  const top = Math.max(1, ...chart.value, ...(chart.critical ?? []));
  const low = chart.low ?? [];
  const unseen = { type: 'line', stack: 'band', symbol: 'none', lineStyle: { opacity: 0 }, silent: true };
  const band = [
    { ...unseen, name: 'low', data: line(low) },
    {
      ...unseen,
      name: 'band',
      data: line((chart.high ?? []).map((value, place) => Math.max(value - (low[place] ?? 0), 0))),
      areaStyle: { color: ink.band },
    },
  ];
  return {
    aria: { enabled: true },
    textStyle: { color: ink.ink, fontFamily: 'inherit' },
    grid: { left: 12, right: 16, top: 44, bottom: 64, containLabel: true },
    legend: {
      top: 4,
      left: 'left',
      type: 'scroll',
      textStyle: { color: ink.ink },
      data: [t('observed'), t('expected'), t('critical')],
    },
    tooltip: {
      trigger: 'axis',
      ...tooltipOf(ink),
      formatter: (told: { dataIndex: number }[]) => {
        const place = told[0]?.dataIndex ?? 0;
        return [
          moment((times[place] ?? 0) / 1000),
          `${t('observed')}: ${amount(chart.value[place] ?? 0, metric)}`,
          ...(chart.expected ? [`${t('expected')}: ${amount(chart.expected[place] ?? 0, metric)}`] : []),
          ...(chart.critical ? [`${t('critical')}: ${amount(chart.critical[place] ?? 0, metric)}`] : []),
          `${t('seen_share')}: ${percent(chart.coverage[place] ?? 0)}`,
        ].join('\n');
      },
    },
    xAxis: {
      type: 'time',
      min: Date.parse(answer.question.since),
      max: Date.parse(answer.question.until),
      axisLabel: { color: ink.faint, hideOverlap: true, formatter: (at: number) => moment(at / 1000).slice(5) },
      axisLine: { lineStyle: { color: ink.line } },
      splitLine: { show: false },
    },
    yAxis: {
      type: log ? 'log' : 'value',
      min: log ? floor : 0,
      max: top * (log ? 2 : 1.08),
      axisLabel: { color: ink.faint, formatter: (value: number) => amount(value, metric) },
      splitLine: { lineStyle: { color: ink.line } },
    },
    dataZoom: [
      { type: 'inside', filterMode: 'none', moveOnMouseMove: false, zoomOnMouseWheel: 'ctrl' },
      {
        type: 'slider',
        filterMode: 'none',
        height: 22,
        bottom: 8,
        borderColor: ink.line,
        textStyle: { color: ink.faint },
        labelFormatter: (at: number) => moment(at / 1000).slice(5),
      },
    ],
    toolbox: { show: true, right: -100, feature: { dataZoom: { yAxisIndex: 'none', filterMode: 'none' } } },
    series: [
      ...(log
        ? [
            {
              name: 'high',
              type: 'line',
              data: line(chart.high),
              symbol: 'none',
              lineStyle: { color: ink.expected, width: 1, type: 'dotted' },
              silent: true,
            },
          ]
        : band),
      {
        name: t('expected'),
        type: 'line',
        data: line(chart.expected),
        symbol: 'none',
        lineStyle: { color: ink.expected, width: 1.2 },
        itemStyle: { color: ink.expected },
      },
      {
        name: t('critical'),
        type: 'line',
        data: line(chart.critical),
        symbol: 'none',
        lineStyle: { color: ink.critical, width: 1.3, type: 'dashed' },
        itemStyle: { color: ink.critical },
      },
      {
        name: t('observed'),
        type: 'line',
        step: 'end',
        data: line(chart.value, true),
        symbol: 'none',
        lineStyle: { color: ink.series, width: 1.4 },
        itemStyle: { color: ink.series },
        markArea: {
          data: [
            ...answer.surges.map((one, place) => [
              {
                name: t('surge_mark', { number: place + 1 }),
                xAxis: Date.parse(one.start),
                itemStyle: { color: ink.surge },
                label: { color: ink.ink },
              },
              { xAxis: Date.parse(one.end) },
            ]),
            ...answer.coverage.blind.map((one) => [
              {
                name: '',
                xAxis: Date.parse(one.start),
                itemStyle: { color: hatching(words.dark) },
                tooltip: { formatter: say(one.why) },
              },
              { xAxis: Date.parse(one.end) },
            ]),
          ],
        },
        markPoint: {
          symbol: 'pin',
          symbolSize: 34,
          data: flags.map((flag) => ({
            name: flag.text,
            coord: [Math.min(flag.at, Date.parse(answer.question.until)), top],
            value: flag.kind === 'alarm' ? '!' : 'E',
            itemStyle: { color: flag.kind === 'alarm' ? ink.critical : ink.flag },
          })),
        },
      },
    ],
  };
}
