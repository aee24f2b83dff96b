/** Shapes on a flat map: those that cross the antimeridian go on beyond it instead of back around the world. */
import type { Geometry, Position } from 'geojson';

function ring(points: Position[]): Position[] {
  let shift = 0;
  return points.map((point, place) => {
    const [before, here] = [points[place - 1]?.[0], point[0] ?? 0];
    if (before !== undefined && Math.abs(here - before) > 180) shift += here < before ? 360 : -360;
    return [here + shift, point[1] ?? 0];
  });
}

/** A geometry whose rings go on beyond the edge. */
export function unwrapped(geometry: Geometry): Geometry {
  if (geometry.type === 'Polygon') return { ...geometry, coordinates: geometry.coordinates.map(ring) };
  if (geometry.type === 'MultiPolygon') {
    return { ...geometry, coordinates: geometry.coordinates.map((polygon) => polygon.map(ring)) };
  }
  return geometry;
}
