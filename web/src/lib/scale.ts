/** Which scale shows a series and its levels both. */
import type { Chart } from '../api/answers';

/** Levels that lie so many times above what is usually seen make a flat line of it on a linear scale. */
const FAR = 20;

function quantile(values: number[], share: number): number {
  const ordered = values.toSorted((a, b) => a - b);
  return ordered[Math.min(Math.floor(share * ordered.length), ordered.length - 1)] ?? 0;
}

export function preferredScale(chart: Chart): 'linear' | 'log' {
  const level = Math.max(0, ...(chart.critical ?? []));
  return level > FAR * Math.max(quantile(chart.value, 0.95), 1) ? 'log' : 'linear';
}

/** The power of ten below what is mostly seen: where nothing stands on a logarithmic scale. */
export function floorOf(chart: Chart): number {
  const least = quantile(
    [...chart.value, ...(chart.expected ?? [])].filter((value) => value > 0),
    0.05,
  );
  return 10 ** Math.floor(Math.log10(Math.max(least, 1)));
}
