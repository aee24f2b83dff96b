/** Exporters by time: what state each had in each cell, from when and why it was blind. */
import type { Coverage, Exporter } from '../api/answers';

export type State = 'complete' | 'lossy' | 'silent' | 'clock';
export const STATES: State[] = ['complete', 'lossy', 'silent', 'clock'];
/** As `doctor` has it: a clock is off from five seconds on. */
export const CLOCK_OFF_S = 5;

export interface Cell {
  row: number;
  column: number;
  state: State;
  share: number;
  why: string[];
}

export function cellsOf(coverage: Coverage, columns: number): { starts: number[]; width: number; cells: Cell[] } {
  const [from, to] = [Date.parse(coverage.since), Date.parse(coverage.until)];
  const width = Math.max((to - from) / columns, 60_000);
  const starts = Array.from({ length: Math.ceil((to - from) / width) }, (_, place) => from + place * width);
  const cells = coverage.exporters.flatMap((one, row) =>
    starts.map((start, column) => ({ row, column, ...stateOf(one, start, Math.min(start + width, to)) })),
  );
  return { starts, width, cells };
}

function stateOf(one: Exporter, start: number, end: number): { state: State; share: number; why: string[] } {
  let silent = 0;
  let lossy = 0;
  const why = new Set<string>();
  for (const blind of one.blind) {
    const overlap = Math.min(Date.parse(blind.end), end) - Math.max(Date.parse(blind.start), start);
    if (overlap <= 0) continue;
    why.add(blind.why);
    if (blind.why.startsWith('records lost')) lossy += overlap;
    else silent += overlap;
  }
  const whole = Math.max(end - start, 1);
  const share = Math.max(0, 1 - (silent + lossy) / whole);
  const state =
    silent >= whole / 2
      ? 'silent'
      : silent + lossy > 0
        ? 'lossy'
        : Math.abs(one.skew_s) > CLOCK_OFF_S
          ? 'clock'
          : 'complete';
  return { state, share, why: [...why] };
}

export function label(one: Exporter): string {
  return [one.exporter, one.agent, one.domain ? String(one.domain) : ''].filter(Boolean).join(' / ');
}
