/** What part of its places a chart shows, and what its axis of values spans. Places rise. Pure. */

/** The first and the last place that is shown, by number. */
export type View = readonly [first: number, last: number];

/** The number of the place that is nearest to a value; null where there is none. */
export function nearest(places: readonly number[], value: number): number | null {
  if (places.length === 0) return null;
  let [low, high] = [0, places.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - places[low - 1] <= places[low] - value ? low - 1 : low;
}

/** What is shown of the places from one value to another: all where those are fewer than two; null where there is none. */
export function viewOf(
  places: readonly number[],
  zoom: readonly [from: number, to: number] | null,
): View | null {
  if (places.length === 0) return null;
  const whole: View = [0, places.length - 1];
  if (zoom === null) return whole;
  const [from, to] = zoom;
  const first = places.findIndex((place) => place >= from);
  const last = places.findLastIndex((place) => place <= to);
  return first >= 0 && last > first ? [first, last] : whole;
}

/** A view `factor` times as wide around a place, within `count` places; null where that is all of them. */
export function widened([first, last]: View, around: number, factor: number, count: number): View | null {
  const half = Math.max(1, Math.round(((last - first) * factor) / 2));
  const low = Math.max(0, Math.min(around - half, count - 1 - 2 * half));
  const high = Math.min(count - 1, low + 2 * half);
  return low === 0 && high === count - 1 ? null : [low, high];
}

/** How wide the axis of places is. One place alone stands in its middle. */
export function extent(places: readonly number[], view: View | null): [from: number, to: number] {
  if (view === null) return [0, 1];
  const [from, to] = [places[view[0]], places[view[1]]];
  if (to > from) return [from, to];
  return from > 0 ? [0, 2 * from] : [from - 1, from + 1];
}

/** The least and the greatest of some curves' values in view; null where nothing is known. */
export function spanOf(
  curves: readonly (readonly (number | null)[])[],
  view: View | null,
): readonly [min: number, max: number] | null {
  if (view === null) return null;
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const values of curves) {
    for (let i = view[0]; i <= view[1]; i++) {
      const value = values[i];
      if (value === null || value === undefined) continue;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  return min <= max ? [min, max] : null;
}
