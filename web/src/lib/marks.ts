/** A text cut at the places that reasons point to; where several overlap, a piece has all of them. */
import type { LurePlace } from '../api/answers';

export interface Piece {
  text: string;
  reasons: number[];
}

/** Pieces of a text in order; places count code points, as the service does, and those outside the text are left out. */
export function pieces(text: string, places: LurePlace[]): Piece[] {
  const points = Array.from(text);
  const edges = new Set([0, points.length]);
  const inside = places
    .map((place, number) => ({ ...place, number }))
    .filter(
      (place) => place.where === 'text' && place.start >= 0 && place.end > place.start && place.end <= points.length,
    );
  for (const place of inside) {
    edges.add(place.start);
    edges.add(place.end);
  }
  const ordered = [...edges].sort((a, b) => a - b);
  const found: Piece[] = [];
  for (const [at, start] of ordered.entries()) {
    const end = ordered[at + 1];
    if (end === undefined || end === start) continue;
    found.push({
      text: points.slice(start, end).join(''),
      reasons: inside.filter((place) => place.start <= start && place.end >= end).map((place) => place.number),
    });
  }
  return found;
}
