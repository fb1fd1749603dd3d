/** Going about in a square of numbers by keyboard. */

export interface Place {
  readonly row: number;
  readonly column: number;
}

/** Where a key leads from a place in a square of `size` rows; null where it leads nowhere. */
export function placeAfterKey(key: string, { row, column }: Place, size: number): Place | null {
  const last = size - 1;
  switch (key) {
    case 'ArrowLeft':
      return { row, column: Math.max(0, column - 1) };
    case 'ArrowRight':
      return { row, column: Math.min(last, column + 1) };
    case 'ArrowUp':
      return { row: Math.max(0, row - 1), column };
    case 'ArrowDown':
      return { row: Math.min(last, row + 1), column };
    case 'Home':
      return { row, column: 0 };
    case 'End':
      return { row, column: last };
    default:
      return null;
  }
}
