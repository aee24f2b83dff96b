/** What would have been seen: reads a probability off the curves that came with an answer. */
import type { Curve } from '../api/answers';

/** The probability with which an amount over a curve's duration would have been seen; 0 below its least step. */
export function chanceOf(curve: Curve, amount: number): number {
  let best = 0;
  for (const [place, needed] of curve.amount.entries()) {
    if (needed === null || needed > amount) break;
    best = curve.probability[place] ?? best;
  }
  return best;
}

/** The amounts between which a slider moves: from what is hardly ever seen to well past what mostly is. */
export function reach(curves: Curve[]): [number, number] {
  const at = (chance: number) =>
    curves.flatMap((curve) => curve.amount[curve.probability.indexOf(chance)] ?? []).filter((amount) => amount > 0);
  const [low, high] = [at(0.02), at(0.95).length ? at(0.95) : at(0.5)];
  if (!low.length || !high.length) return [1, 1e9];
  return [Math.min(...low) / 10, Math.max(...high) * 10];
}

/** Where on the slider an amount lies, 0 to 1. */
export function placeOf(ends: [number, number], amount: number): number {
  return Math.min(Math.max(Math.log(amount / ends[0]) / Math.log(ends[1] / ends[0]), 0), 1);
}

/** Evenly along the logarithm: 0 is the lower end, 1 the upper. */
export function along(ends: [number, number], share: number): number {
  return ends[0] * (ends[1] / ends[0]) ** share;
}
