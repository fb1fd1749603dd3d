/** Tables beside curves: as many rows as one likes to read. */

export const mostRows = 50;

/** The places of at most `most` of `count` rows, evenly apart, the first and the last among them. */
export function thinnedPlaces(count: number, most = mostRows): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}
