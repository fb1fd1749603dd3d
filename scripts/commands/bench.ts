/** `lockstep bench`: how fast this machine trains, and how far that is from what it can do. */
import { availableParallelism } from 'node:os';
import { checkNumber, parseNumber } from '../../shared/calls.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { version } from '../../shared/version.ts';
import { checkThreads } from '../../worker/team.ts';
import { machineHere, runBench } from '../bench/bench.ts';
import { defaultKernels, loadSets } from '../bench/kernel-sets.ts';
import { findPeers } from '../bench/peers/peers.ts';
import { type BenchPlan, benchRecipe, estimateSeconds } from '../bench/plan.ts';
import { headLines, limitLines, missingLines, recipeLines } from '../bench/report.ts';
import { findMpirun } from '../ranks/mpirun.ts';
import { FlagValues } from './flag-values.ts';
import { defaultPeersFolder } from './flags.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { clock, plural, Screen } from './screen.ts';
import { onSignals } from './signals.ts';
import { wrapped } from './wrap.ts';

const defaultRecipes = ['note', 'mnist'];
const defaultBatchSizes = [64, 256, 1024];
const defaultRounds = 5;
const defaultSeconds = 0.5;
/** Each is a process. */
const mostWorkers = 64;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function benchCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const quiet = flags.isOn('quiet');
  const screen = new Screen(json ? process.stderr : process.stdout, quiet);
  const progress = new Screen(process.stderr, quiet);
  const plan = { ...readPlan(argument, flags), ...(await choosePeers(flags)) };
  const lines = (some: readonly string[]) =>
    progress.aside(() => {
      for (const line of [...some, '']) screen.line(line);
    });
  const signals = onSignals((name) => progress.line(`${name}: ending after this turn; again to end at once`));
  const clear = () => progress.status('');
  process.once('exit', clear);
  try {
    const machine = machineHere();
    lines(headLines({ version, machine }));
    for (const line of describe(plan)) progress.line(line);
    progress.line();
    const result = await runBench(plan, {
      signal: signals.signal,
      onStatus: (text) => progress.status(text.slice(0, progress.columns - 3)),
      onLimits: (limits) => lines(limitLines(limits)),
      onRecipe: (groups, limits) => lines(recipeLines(groups, limits, machine.cores)),
    });
    clear();
    for (const line of missingLines(result.missing)) screen.line(line);
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } catch (error) {
    if (signals.signal.aborted && error === signals.signal.reason) return signals.exitCode();
    throw error;
  } finally {
    clear();
    signals.release();
    process.off('exit', clear);
  }
}

/** Others, if they are asked for: those that are here in all their ways, and those that are not. */
async function choosePeers(flags: FlagValues): Promise<Pick<BenchPlan, 'peers' | 'missing'>> {
  if (!flags.isOn('peers')) return { peers: [], missing: [] };
  const folder = flags.text('peers-folder') ?? defaultPeersFolder;
  const { found, missing } = await findPeers({ folder, cores: availableParallelism() });
  return {
    peers: found.flatMap(({ launches }) => launches),
    missing,
  };
}

function readPlan(argument: string | undefined, flags: FlagValues): Omit<BenchPlan, 'peers' | 'missing'> {
  const batchSizes = readList(flags, 'batch-size', readBatchSize) ?? defaultBatchSizes;
  const threads = readList(flags, 'threads', (text, where) => checkThreads(parseNumber(text), where, text));
  const kernels = flags.text('kernels');
  // Recipes are as they are: none of their fields is changed by a flag or a variable. What bench and train both have
  // (LOCKSTEP_BATCH_SIZE, LOCKSTEP_THREADS, LOCKSTEP_KERNELS) is a flag of bench here, and replaces its list.
  const noFlags = new FlagValues([], {}, {});
  return {
    recipes: (argument === undefined ? defaultRecipes : [argument]).map((name) =>
      benchRecipe(chooseRecipe(name, noFlags), batchSizes),
    ),
    batchSizes,
    threads: (threads ?? defaultThreads(availableParallelism())).sort((a, b) => a - b),
    workers: readWorkers(flags),
    ...readRanks(flags),
    kernels: kernels === undefined ? defaultKernels() : loadSets(kernels.split(','), flags.label('kernels')),
    rounds: flags.number('rounds', { kind: 'integer', min: 1, max: 1000 }) ?? defaultRounds,
    seconds: flags.number('seconds', { kind: 'number', above: 0, max: 600 }) ?? defaultSeconds,
  };
}

/** @throws LockstepError (USAGE), also where nothing can start ranks */
function readRanks(flags: FlagValues): Pick<BenchPlan, 'ranks' | 'mpirun' | 'windows'> {
  const counts = readList(flags, 'mpi', (text, where) =>
    checkNumber(parseNumber(text), { kind: 'integer', min: 0, max: mostWorkers }, where, text),
  );
  const ranks = (counts ?? []).filter((count) => count > 0).sort((a, b) => a - b);
  const mpirun = ranks.length === 0 ? '' : findMpirun(flags.text('mpirun') ?? 'mpirun');
  return { ranks, mpirun, windows: !flags.isOn('no-shared-memory') };
}

/** Beside peers as many as there are processes of DistributedDataParallel. */
function readWorkers(flags: FlagValues): number[] {
  const cores = availableParallelism();
  const beside = flags.isOn('peers') && cores > 1 ? [Math.min(cores, mostWorkers)] : [];
  const workers = readList(flags, 'workers', (text, where) =>
    checkNumber(parseNumber(text), { kind: 'integer', min: 0, max: mostWorkers }, where, text),
  );
  return (workers ?? beside).filter((count) => count > 0).sort((a, b) => a - b);
}

/** Whatever a recipe takes. @throws LockstepError (USAGE) */
function readBatchSize(text: string, where: string): number {
  const number = parseNumber(text);
  const fields = { model: 'dense(10)', batchSize: Number.isFinite(number) ? number : text };
  return draftRecipe(fields, () => where).batchSize;
}

/** 1, 2, 4 … and all. */
export function defaultThreads(cores: number): number[] {
  const powers = Array.from({ length: 11 }, (_, i) => 2 ** i).filter((count) => count < cores);
  return [...powers, Math.min(cores, 1024)];
}

/** The items of a list with commas, each once. */
function readList(
  flags: FlagValues,
  name: string,
  read: (text: string, where: string) => number,
): number[] | undefined {
  const items = flags
    .text(name)
    ?.split(',')
    .map((text) => read(text.trim(), flags.label(name)));
  return items && [...new Set(items)];
}

/** What is going to be measured, and how long that will take. */
function describe(plan: BenchPlan): string[] {
  const { recipes, batchSizes, threads, workers, ranks, kernels, rounds, seconds, peers } = plan;
  const names = (all: readonly { toString(): string }[]) => all.join(', ').replace(/, (?=[^,]*$)/, ' and ');
  const text =
    `Measuring ${names(recipes.map(({ name }) => name))} with batches of ${names(batchSizes)}, ` +
    `${names(threads)} ${threads.join() === '1' ? 'thread' : 'threads'}, ` +
    (workers.length === 0 ? '' : `${names(workers)} ${workers.join() === '1' ? 'worker' : 'workers'}, `) +
    (ranks.length === 0 ? '' : `${names(ranks)} ${ranks.join() === '1' ? 'rank' : 'ranks'} of MPI, `) +
    `${names(kernels.map(({ set }) => set))} kernels${peers.length === 0 ? '' : ` and ${plural(peers.length, 'peer')}`}, ` +
    `${plural(rounds, 'round')} of ${seconds} s a side: about ${clock(estimateSeconds(plan))} in all.`;
  return wrapped(text, 80);
}
