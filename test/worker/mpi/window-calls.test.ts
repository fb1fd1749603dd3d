/** Exchanges by windows: all that others have comes, and nobody needs anybody's memory once they are over. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { wasm } from '../../../shared/kernels/webassembly.ts';
import { type RankPlace, signalBytes } from '../../../shared/model/rank-plan.ts';
import { inARow } from '../../../worker/mpi/slices.ts';
import { WindowCalls } from '../../../worker/mpi/window-calls.ts';
import type { WindowRank } from '../../helpers/window-rank.ts';

const windowBytes = 65_536;
const floats = 16;

/** Ranks over one memory, in which each finds the windows of all. */
function ranksOver(count: number) {
  const memory = new wasm.Memory({ initial: count + 1, maximum: count + 1, shared: true });
  const windows = Array.from({ length: count }, (_, rank) => (rank + 1) * windowBytes);
  const { counts, displacements } = inARow(Array.from({ length: count }, () => 4 * floats));
  new Int32Array(memory.buffer, 1024, count).set(counts);
  new Int32Array(memory.buffer, 2048, count).set(displacements);
  const ranks = windows.map((window, rank) => {
    const signals = window + windowBytes - signalBytes;
    const place = { ranks: { rank, count }, windows, window, signals } as unknown as RankPlace;
    return { place, blocks: { buffer: window, counts: 1024, displacements: 2048 } };
  });
  return { memory, ranks };
}

for (const [count, exchanges] of [
  [2, 100_000],
  [3, 10_000],
]) {
  t.test(`${count} ranks on threads get what all have, ${exchanges} times`, async (t) => {
    const { memory, ranks } = ranksOver(count);
    const program = fileURLToPath(new URL('../../helpers/window-rank.js', import.meta.url));
    const ends = ranks.map(async ({ place, blocks }) => {
      const workerData: WindowRank = { memory, place, blocks, floats, exchanges };
      return once(new Worker(program, { workerData }), 'exit');
    });
    t.same(
      await Promise.all(ends),
      ranks.map(() => [0]),
    );
  });
}

t.test('an exchange is over when all others have taken what is theirs, and not before', (t) => {
  const { memory, ranks } = ranksOver(3);
  const [a, b, c] = ranks.map(({ place }) => new WindowCalls(memory, place));
  const [, , blocks] = ranks.map(({ blocks }) => blocks);
  const valueAt = (rank: number, of: number) =>
    new Float32Array(memory.buffer)[ranks[rank].blocks.buffer / 4 + of * floats];
  for (const [rank, { blocks }] of ranks.entries()) {
    new Float32Array(memory.buffer).fill(
      rank + 1,
      blocks.buffer / 4 + rank * floats,
      blocks.buffer / 4 + (rank + 1) * floats,
    );
  }
  a.allgatherv(ranks[0].blocks, 8);
  t.notOk(a.test(8), 'nobody else has begun');
  b.allgatherv(ranks[1].blocks, 8);
  t.notOk(b.test(8), 'the third has not begun');
  t.equal(valueAt(1, 0), 0, 'and nothing was taken');
  c.allgatherv(blocks, 8);
  t.notOk(a.test(8), 'the first has taken');
  t.equal(valueAt(0, 2), 3);
  t.notOk(b.test(8), 'the second has taken');
  t.ok(c.test(8), 'the third was the last');
  t.ok(a.test(8) && b.test(8));
  t.same(
    [0, 1, 2].map((rank) => [0, 1, 2].map((of) => valueAt(rank, of))),
    [
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
  t.throws(() => a.test(24), /no exchange is under way at request 24/);
  t.end();
});
