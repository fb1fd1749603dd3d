/** How threads divide a matrix by columns. */
import t from 'tap';
import { blocksOf } from '../../../shared/model/blocks.ts';

/** What is wrong with a division, or null. */
function flaw(panels: number, firstRow: number, endRow: number, size: number): string | null {
  const rows = endRow - firstRow;
  let next = 0;
  for (let rank = 0; rank < size; rank++) {
    const blocks = blocksOf(panels, firstRow, endRow, rank, size);
    const begin = next;
    for (const block of blocks) {
      const height = block.endRow - block.firstRow;
      const count = block.endPanel - block.firstPanel;
      if (height < 1 || count < 1) return 'an empty block';
      if (height < rows && count > 1) return 'parts of several panels';
      if (block.firstRow < firstRow || block.endRow > endRow) return 'rows of others';
      if (block.firstPanel * rows + block.firstRow - firstRow !== next) return 'blocks do not follow';
      next += height * count;
    }
    if (blocks.length > 3) return 'more than three blocks';
    if (Math.abs(next - begin - (panels * rows) / size) >= 1) return 'not as even as can be';
  }
  return next === panels * rows ? null : 'not all';
}

t.test('threads partition every small matrix evenly, in the order of panels', (t) => {
  let cases = 0;
  for (let panels = 1; panels <= 14; panels++) {
    for (let rows = 0; rows <= 20; rows++) {
      for (let size = 1; size <= 9; size++) {
        const wrong = flaw(panels, 7, 7 + rows, size);
        cases++;
        if (wrong !== null) t.fail(`${panels} panels, ${rows} rows, ${size} threads: ${wrong}`);
      }
    }
  }
  t.pass(`${cases} cases`);
  t.end();
});

t.test('so they do for the largest matrix and the most threads', (t) => {
  t.equal(flaw(4096, 0, 65_536, 1024), null);
  t.equal(flaw(4095, 0, 65_535, 1023), null);
  t.end();
});

t.test('thirteen panels of two threads are six, and half of the rows of the seventh', (t) => {
  t.same(blocksOf(13, 0, 64, 0, 2), [
    { firstRow: 0, endRow: 64, firstPanel: 0, endPanel: 6 },
    { firstRow: 0, endRow: 32, firstPanel: 6, endPanel: 7 },
  ]);
  t.same(blocksOf(13, 0, 64, 1, 2), [
    { firstRow: 32, endRow: 64, firstPanel: 6, endPanel: 7 },
    { firstRow: 0, endRow: 64, firstPanel: 7, endPanel: 13 },
  ]);
  t.end();
});
