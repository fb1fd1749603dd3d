/** Which shards a rank computes, and how many cores it has to itself. */
import { availableParallelism } from 'node:os';
import t from 'tap';
import type { Setup } from '../../../shared/training.ts';
import { coresOfRank, sharesOf } from '../../../worker/mpi/join-ranks.ts';

t.test(
  'a rank has the cores that it is bound to, and fewer than threads where all threads are more than cores',
  (t) => {
    const bound = availableParallelism();
    const cases = [
      { threads: 1, here: 2, cores: 64, got: Math.min(bound, 64) },
      { threads: 2, here: 2, cores: 2, got: Math.min(bound, 2) },
      { threads: 1, here: 3, cores: 2, got: 0 },
      { threads: 2, here: 4, cores: 2, got: 1 },
      { threads: 64, here: 128, cores: 2, got: Math.min(bound, 2) },
    ];
    for (const { threads, here, cores, got } of cases) {
      t.equal(coresOfRank(threads, here, cores), got, `${threads} of ${here} threads on ${cores} cores`);
      if (here > cores) t.ok(got < threads, 'nobody spins');
    }
    t.end();
  },
);

t.test('shares are runs of all shards; without ranks they are all', (t) => {
  const setupOf = (ranks?: { rank: number; count: number }) => ({ sizes: { ranks } }) as unknown as Setup;
  t.same(sharesOf(setupOf())(7), { lo: 0, hi: 7 });
  const shares = [0, 1, 2].map((rank) => sharesOf(setupOf({ rank, count: 3 }))(7));
  t.equal(shares[0].lo, 0);
  t.equal(shares[2].hi, 7);
  t.ok(shares[0].hi === shares[1].lo && shares[1].hi === shares[2].lo);
  t.end();
});
