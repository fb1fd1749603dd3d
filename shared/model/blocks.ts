/** How threads divide a matrix by columns: in the order of panels, as the slices of weights are cut. */

/** Some rows of some panels of a matrix. */
export interface Block {
  readonly firstRow: number;
  readonly endRow: number;
  readonly firstPanel: number;
  readonly endPanel: number;
}

/**
 * What one of `size` threads has of rows `firstRow … endRow−1` of a matrix, as much as everyone else: the end of a
 * panel, whole panels, the beginning of one, each only where there is such a thing.
 */
export function blocksOf(
  panels: number,
  firstRow: number,
  endRow: number,
  rank: number,
  size: number,
): Block[] {
  const rows = endRow - firstRow;
  const blocks: Block[] = [];
  const end = Math.floor((panels * rows * (rank + 1)) / size);
  for (let at = Math.floor((panels * rows * rank) / size); at < end; ) {
    const row = at % rows;
    const isWhole = row === 0 && at + rows <= end;
    const count = isWhole ? Math.floor((end - at) / rows) : 1;
    const height = isWhole ? rows : Math.min(rows - row, end - at);
    const firstPanel = Math.floor(at / rows);
    blocks.push({
      firstRow: firstRow + row,
      endRow: firstRow + row + height,
      firstPanel,
      endPanel: firstPanel + count,
    });
    at += count * height;
  }
  return blocks;
}
