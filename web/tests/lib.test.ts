import { describe, expect, it } from 'vitest';
import { queryOf } from '../src/api/client';
import type { Chart, Coverage, Curve, LurePlace } from '../src/api/answers';
import { along, chanceOf, placeOf, reach } from '../src/lib/chance';
import { command } from '../src/lib/command';
import { csv } from '../src/lib/csv';
import { complete, positionIn } from '../src/lib/expression';
import { amount, duration, moment, percent, times } from '../src/lib/format';
import { cellsOf } from '../src/lib/heat';
import { unwrapped } from '../src/lib/map';
import { pieces } from '../src/lib/marks';
import { formOf, questionOf } from '../src/lib/question';
import { floorOf, preferredScale } from '../src/lib/scale';
import { flowsOf, wordsOf } from '../src/lib/stories';

describe('numbers and times', () => {
  it('shows amounts with their unit', () => {
    expect(amount(38_000_000, 'bytes', 'en')).toBe('38 MB');
    expect(amount(999, 'bytes', 'en')).toBe('999 B');
    expect(amount(1234, 'flows', 'en')).toBe('1,234');
  });
  it('never rounds a share up to all, nor down to none', () => {
    expect(percent(0.99999, 'en')).toBe('99.99%');
    expect(percent(1, 'en')).toBe('100%');
    expect(percent(0.000001, 'en')).toBe('< 0.01%');
    expect(percent(0, 'en')).toBe('0%');
    expect(percent(0.95, 'zh-TW')).toBe('95%');
  });
  it('shows times in the zone that the reader chose', () => {
    expect(moment('2014-11-24T16:30:00Z', 'en', 'UTC')).toBe('2014-11-24 16:30');
    expect(moment('2014-11-24T16:30:00Z', 'en', 'Asia/Taipei')).toBe('2014-11-25 00:30');
    expect(moment('never', 'en', 'UTC')).toBe('never');
    expect(duration(3600, 'en')).toBe('1 hour');
    expect(duration(5400, 'zh-TW')).toBe('1.5 小時');
    expect(times(12.44, 'en')).toBe('12.4 ×');
  });
});

describe('questions', () => {
  it('go into the address and come out of it', () => {
    const told = questionOf(formOf(new URLSearchParams('?from=KP&since=2014-11-24&wide=true&other=1')));
    expect(told).toEqual({ from: 'KP', since: '2014-11-24', wide: true });
    expect(queryOf({ ...told, until: '', by: ['src', 'dst'] })).toBe(
      '?from=KP&since=2014-11-24&wide=true&by=src&by=dst',
    );
  });
  it('become the command line that a shell reads the same', () => {
    expect(command('ask', { from: 'KP', wide: true, where: "src = '192.0.2.1'", until: '' })).toBe(
      `tidegauge ask --from KP --wide --where "src = '192.0.2.1'"`,
    );
    expect(command('flows', { where: `a = '$b' "c"` })).toBe(`tidegauge flows --where 'a = '\\''$b'\\'' "c"'`);
    expect(command('origin', { at: '2014-11-24' }, ['192.0.2.1'])).toBe('tidegauge origin 192.0.2.1 --at 2014-11-24');
  });
  it('come back from the command that a finding names', () => {
    const line = `tidegauge flows --since 2014-11-10 --until 2014-11-30 --where "src = '192.0.2.1' AND dst_port = 443"`;
    expect(wordsOf(line).at(-1)).toBe("src = '192.0.2.1' AND dst_port = 443");
    expect(flowsOf(line)).toBe(
      '/flows?since=2014-11-10&until=2014-11-30&where=src+%3D+%27192.0.2.1%27+AND+dst_port+%3D+443',
    );
    expect(flowsOf('tidegauge lure letter.eml')).toBeNull();
  });
});

describe('what would have been seen', () => {
  const curve: Curve = {
    duration_s: 3600,
    probability: [0.02, 0.5, 0.95, 1.0],
    amount: [100, 1000, 10_000, null],
  };
  it('is read off the curve, never more than it says', () => {
    expect([50, 100, 999, 1000, 1e9].map((size) => chanceOf(curve, size))).toEqual([0, 0.02, 0.02, 0.5, 0.95]);
  });
  it('spans from hardly ever to nearly always', () => {
    expect(reach([curve])).toEqual([10, 100_000]);
    expect(along([10, 1000], 0.5)).toBeCloseTo(100);
    expect(placeOf([10, 1000], 100)).toBeCloseTo(0.5);
    expect(reach([])).toEqual([1, 1e9]);
  });
});

describe('pictures', () => {
  const chart = (value: number[], critical: number[]): Chart => ({
    width_s: 300,
    start_s: value.map((_, place) => place * 300),
    value,
    coverage: value.map(() => 1),
    critical,
    would: [],
  });
  it('have a scale on which both the series and its level are seen', () => {
    expect(preferredScale(chart([0, 10, 20], [1e6, 1e6, 1e6]))).toBe('log');
    expect(preferredScale(chart([5e5, 6e5, 7e5], [1e6, 1e6, 1e6]))).toBe('linear');
    expect(floorOf(chart([0, 0, 150], [1e6, 1e6, 1e6]))).toBe(100);
    expect(floorOf(chart([0, 0, 0], []))).toBe(1);
  });
  it('go on beyond the antimeridian', () => {
    const told = unwrapped({
      type: 'Polygon',
      coordinates: [
        [
          [170, 0],
          [179, 5],
          [-179, 5],
          [-170, 0],
          [170, 0],
        ],
      ],
    });
    expect(told).toEqual({
      type: 'Polygon',
      coordinates: [
        [
          [170, 0],
          [179, 5],
          [181, 5],
          [190, 0],
          [170, 0],
        ],
      ],
    });
  });
  it('tell silence from loss from a wrong clock', () => {
    const exporter = {
      agent: '',
      domain: 1,
      standing: 'proven',
      share: 1,
      datagrams: 1,
      records: 1,
      lost: 0,
      waiting: 0,
      sampling: [1],
      dropped: 0,
      duplicates: 0,
      overtaken: 0,
      restarts: 0,
      misses: 0,
      unsampled: 0,
      loss: 'known' as const,
      sequence: 'records',
      apart: 0,
      held: 0,
      delay_s: 0,
    };
    const coverage: Coverage = {
      share: 1,
      since: '2014-11-24T00:00:00Z',
      until: '2014-11-24T04:00:00Z',
      caveats: [],
      exporters: [
        {
          ...exporter,
          exporter: 'a',
          skew_s: 0,
          blind: [
            { start: '2014-11-24T00:00:00Z', end: '2014-11-24T00:50:00Z', why: 'exporter silent' },
            { start: '2014-11-24T01:10:00Z', end: '2014-11-24T01:11:00Z', why: 'records lost' },
          ],
        },
        { ...exporter, exporter: 'b', skew_s: 60, blind: [] },
      ],
    };
    const { cells, width } = cellsOf(coverage, 4);
    expect(width).toBe(3_600_000);
    expect(cells.map((cell) => cell.state)).toEqual([
      'silent',
      'lossy',
      'complete',
      'complete',
      ...Array<string>(4).fill('clock'),
    ]);
  });
});

describe('texts', () => {
  it('are cut at the places that reasons point to, by code points', () => {
    const place = (start: number, end: number): LurePlace => ({ reason: '', weight: 1, where: 'text', start, end });
    expect(pieces('😀abcdef', [place(1, 4), place(3, 5), place(9, 99), place(-1, 2)])).toEqual([
      { text: '😀', reasons: [] },
      { text: 'ab', reasons: [0] },
      { text: 'c', reasons: [0, 1] },
      { text: 'd', reasons: [1] },
      { text: 'ef', reasons: [] },
    ]);
  });
  it('are no formulas in a spreadsheet', () => {
    expect(csv(['a'], [['=1+1'], ['x,"y"'], [-5], [null]])).toBe('a\r\n\'=1+1\r\n"x,""y"""\r\n-5\r\n\r\n');
  });
  it('are completed by columns, and by classes within quotes', () => {
    expect(complete('dst_p', 5, ['dst', 'dst_port'], [])).toEqual(['dst_port']);
    expect(complete("is_class(far_class, 'v", 22, ['vlan'], ['vpn', 'tor-exit'])).toEqual(['vpn']);
    expect(complete("src = '19", 9, ['src'], ['vpn'])).toEqual([]);
  });
  it('show where an error lies', () => {
    expect(positionIn("no such flow column: 'srx'", 'dst_port = 1 AND srx = 2')).toBe(17);
    expect(positionIn('cannot be read. Line 1, Col: 4.', 'src =')).toBe(3);
    expect(positionIn('too long', 'x')).toBeNull();
  });
});
