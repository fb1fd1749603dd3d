/** Blocks go where they should, with every MPI that is here and with ranks that have nothing to say. */
import t from 'tap';
import { installedMpis, Ranks } from '../../helpers/mpi.ts';
import { survivorsOf } from '../../helpers/process-ids.ts';

const count = 12;

for (const mpi of installedMpis(t)) {
  for (const size of [1, 2, 3, 4, 7]) {
    t.test(`${mpi.family}: ragged blocks of ${size} ranks arrive, from any thread`, async (t) => {
      const ranks = new Ranks(t, mpi, size, { kind: 'exchanges', count });
      const { code } = await ranks.exited;
      t.equal(code, 0, ranks.stderr);
      t.same(ranks.otherLines, [], 'stdout is left alone');
      const done = ranks.told('done').map(({ result }) => result as { bytes: number }[]);
      t.equal(done.length, size, 'each rank looked at what came');
      for (const [here, onThread] of done) {
        t.ok(here.bytes > 1_000, `${here.bytes} bytes`);
        t.same(onThread, here, 'on a thread as in the main thread');
      }
      t.ok(ranks.told('open').every(({ library }) => library.startsWith(mpi.family)));
      t.same(await survivorsOf(ranks.pids), []);
    });
  }
}
