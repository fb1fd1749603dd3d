/**
 * `npm run exchange -- --mpirun mpirun.mpich --ranks 1,2,4,8`: the time of one exchange of a gradient among ranks on this
 * machine, by its size and the number of ranks, beside the cost model that fits best. All are started together and take turns,
 * medians count. On a machine with nothing else to do.
 */
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkNumber, parseNumber } from '../../shared/calls.ts';
import { LockstepError, quoted, reasonOf, usageError } from '../../shared/errors.ts';
import { interleave } from '../bench/interleave.ts';
import { wrapped } from '../commands/wrap.ts';
import { findMpirun } from '../ranks/mpirun.ts';
import { RankJob } from '../ranks/rank-job.ts';
import { fitCosts } from './cost-model.ts';
import type { ExchangeTask } from './exchange-rank.ts';
import { ExchangeSide } from './exchange-side.ts';
import { exchangeLines, modelText } from './exchange-table.ts';

/** 4 KB to 64 MB, and that of the recipe `note`. */
const sizes = [...Array.from({ length: 8 }, (_, i) => 4096 * 4 ** i), 636 * 1024];

const options = {
  mpirun: { type: 'string', default: 'mpirun' },
  ranks: { type: 'string', default: '1,2,4,8' },
  rounds: { type: 'string', default: '7' },
  seconds: { type: 'string', default: '0.1' },
  /** Only up to so many megabytes. */
  most: { type: 'string', default: '64' },
} as const;

/** @throws LockstepError (USAGE) */
function readFlags() {
  const { mpirun, ranks, rounds, seconds, most } = readWords();
  const megabytes = checkNumber(parseNumber(most), { kind: 'number', above: 0 }, '--most', most);
  const chosen = sizes.filter((bytes) => bytes <= megabytes * 2 ** 20).sort((a, b) => a - b);
  if (chosen.length === 0) {
    const smallest = Math.min(...sizes) / 2 ** 20;
    throw usageError(
      `--most: got ${quoted(most)}, expected at least ${smallest}, the smallest gradient in megabytes`,
    );
  }
  const positive = { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER } as const;
  return {
    mpirun,
    counts: ranks.split(',').map((count) => checkNumber(parseNumber(count), positive, '--ranks', count)),
    rounds: checkNumber(parseNumber(rounds), positive, '--rounds', rounds),
    seconds: checkNumber(parseNumber(seconds), { kind: 'number', above: 0 }, '--seconds', seconds),
    chosen,
  };
}

function readWords() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw usageError(reasonOf(error), error);
  }
}

const cores = availableParallelism();
const script = fileURLToPath(new URL(`./exchange-rank${extname(import.meta.url)}`, import.meta.url));
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new LockstepError('INTERRUPTED', 'ended before its time')));
const jobs: RankJob[] = [];
try {
  const { counts, rounds, seconds, chosen, ...flags } = readFlags();
  const mpirun = findMpirun(flags.mpirun);
  const sides: ExchangeSide[] = [];
  for (const ranks of counts) {
    const task: ExchangeTask = { cores };
    const job = await RankJob.start({ mpirun, ranks, script, task });
    jobs.push(job);
    sides.push(...chosen.map((bytes) => new ExchangeSide(job, ranks, bytes)));
  }
  const speeds = await interleave(sides, {
    rounds,
    seconds,
    signal: stop.signal,
    onTurn: (done, all) => process.stderr.isTTY && process.stderr.write(`\rturn ${done + 1} of ${all} `),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const times = sides.map((side, i) => side.time(speeds[i]));
  const own = fitCosts(
    times.filter(({ ranks }) => ranks <= cores),
    cores,
  );
  const shared = fitCosts(
    times.filter(({ ranks }) => ranks > cores),
    cores,
  );
  const hasShared = counts.some((ranks) => ranks > cores);
  const lines = [
    `${sides[0].library}, Node ${process.versions.node}, ${cores} cores, ${rounds} rounds of ${seconds} s`,
    'T = 2·α·(P − 1) + 2·β·S·(P − 1)/P + γ·S·(P − 1)/P, times P/cores where ranks share cores',
    `A core for each rank: ${modelText(own)}`,
    ...(hasShared ? [`Shared cores: ${modelText(shared)}`] : []),
    '%: by how much a time is off the model’s',
  ];
  for (const line of lines.flatMap((text) => wrapped(text, 80))) console.log(line);
  for (const line of exchangeLines(times, (ranks) => (ranks > cores ? shared : own))) console.log(line);
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`exchange: ${error.message}`);
  process.exitCode = error.exitCode;
} finally {
  await Promise.all(jobs.map((job) => job.close()));
}
