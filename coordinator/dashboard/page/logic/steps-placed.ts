/** Steps side by side: how wide each is. */

/**
 * Widths of steps of these lengths that fill `width` pixels together: as long as they are, on one scale. Where that would
 * leave one of them less than `least`, each gets this much and a share of what is left, and the scale is its own.
 */
export function stepWidths(
  lengths: readonly number[],
  width: number,
  least: number,
): { readonly widths: readonly number[]; readonly isOneScale: boolean } {
  const total = lengths.reduce((sum, length) => sum + length, 0) || 1;
  const onOneScale = lengths.map((length) => (width * length) / total);
  if (lengths.length === 1 || onOneScale.every((wide) => wide >= least)) {
    return { widths: onOneScale, isOneScale: true };
  }
  const left = Math.max(0, width - least * lengths.length);
  return { widths: lengths.map((length) => least + (left * length) / total), isOneScale: false };
}
