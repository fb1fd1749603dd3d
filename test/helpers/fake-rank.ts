/** A rank without MPI, as test/helpers/fake-mpirun starts it: does what it is asked, or what it is told to do wrong. */
import { serveRank } from '../../scripts/ranks/rank-end.ts';
import { dataError } from '../../shared/errors.ts';

export interface FakeTask {
  /** Of which rank something is wrong, and what. */
  readonly wrong?: { readonly rank: number; readonly how: 'throws' | 'silent' | 'dies when asked' };
}

const rank = Number(process.env.FAKE_RANK);

serveRank(async (task) => {
  const { wrong } = task as FakeTask;
  const how = wrong?.rank === rank ? wrong.how : null;
  if (how === 'throws') throw dataError(`rank ${rank} has other data`);
  if (how === 'silent') await new Promise(() => {});
  return {
    rank,
    answer: async (question) => {
      if (how === 'dies when asked') process.kill(process.pid, 'SIGKILL');
      return { rank, question };
    },
    close: async () => {},
  };
});
