/**
 * A process that trains with a team, closes it, prints one JSON line, and then has nothing left to do: it must
 * end by itself. Its argument says what happens to the team.
 */
import { LockstepError } from '../../shared/errors.ts';
import type { Failpoint } from '../../worker/failpoint.ts';
import { syntheticDataset, train } from './train.ts';

export interface TeamProcessReport {
  readonly stateDigest: string | null;
  readonly deaths: number;
  /** Code of the error that the training ended with. */
  readonly error: string | null;
  /** The longest time in which the main thread did not get a turn. */
  readonly longestPauseMs: number;
}

const loop: Failpoint = { rank: 1, step: 1, barrier: 0, action: 'loop' };
const fatal: Failpoint = { rank: 0, step: 1, barrier: 0, action: 'throw' };
const cases: Record<string, { failpoints?: Failpoint[]; threadTimeoutMs?: number; epochs: number }> = {
  calm: { epochs: 1 },
  loop: { failpoints: [loop], threadTimeoutMs: 400, epochs: 1 },
  fatal: { failpoints: Array.from({ length: 9 }, () => fatal), epochs: 1 },
  /** To be stopped and continued from outside: a barrier's deadline is soon over. */
  frozen: { threadTimeoutMs: 100, epochs: 20 },
};

const [name, threads] = process.argv.slice(2);
const { epochs, ...options } = cases[name];
const source = syntheticDataset(1, name === 'frozen' ? 2000 : 60, 131);
const model = 'dense(64) batchnorm relu dense(32) batchnorm relu dense(10)';
const fields = { model, epochs, batchSize: 24, shardSize: 5, optimizer: 'sgd(lr=0.05,momentum=0.9)' };

let lastTurnMs = performance.now();
let longestPauseMs = 0;
const turns = setInterval(() => {
  longestPauseMs = Math.max(longestPauseMs, performance.now() - lastTurnMs);
  lastTurnMs = performance.now();
}, 10);
const hooks = { onStart: () => process.stdout.write('started\n') };
const report = await train(fields, { source, threads: Number(threads), hooks, ...options }).then(
  ({ stateDigest, deaths }) => ({ stateDigest, deaths, error: null }),
  (error: unknown) => {
    if (!(error instanceof LockstepError)) throw error;
    return { stateDigest: null, deaths: 0, error: error.code };
  },
);
clearInterval(turns);
process.stdout.write(`${JSON.stringify({ ...report, longestPauseMs } satisfies TeamProcessReport)}\n`);
