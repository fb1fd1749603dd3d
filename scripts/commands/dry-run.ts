/** `--dry-run`: what `train` or `coordinator` would do. Nothing is trained, nothing written, no port opened. */
import { availableParallelism } from 'node:os';
import { oneLine, usageError } from '../../shared/errors.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { memoryParts } from '../../shared/model/memory-use.ts';
import { version } from '../../shared/version.ts';
import { type Memory, planOf, type RunPlan } from '../run-plan.ts';
import { table } from '../table.ts';
import { shortened } from '../text-width.ts';
import { prepareFields } from '../training.ts';
import type { FlagValues } from './flag-values.ts';
import { countText, layerLines } from './layer-table.ts';
import { readListening } from './listening.ts';
import { planOutputs } from './outputs.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { grouped, plural, Screen, showNote } from './screen.ts';
import { readThreads } from './threads.ts';
import { readWatching } from './watching.ts';

/** Threads that have a line of their own. */
const mostThreads = 8;
const columnsOfBytes = 11;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function dryRunCommand(
  command: 'train' | 'coordinator',
  argument: string | undefined,
  flags: FlagValues,
): Promise<number> {
  if (flags.has('resume')) {
    throw usageError(
      `--dry-run: got it together with ${flags.label('resume')}; see what is in the run by: lockstep inspect`,
    );
  }
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const recipe = chooseRecipe(argument, flags);
  const defaultThreads = command === 'train' ? availableParallelism() : 0;
  const listening = await readListening(flags, command, defaultThreads, null, true);
  await readWatching(flags, command, listening, null, true);
  const threads = listening?.threads ?? readThreads(flags, defaultThreads);
  planOutputs(flags, recipe.name, null, () => {}); // what cannot be written would fail
  const prepared = await prepareFields(recipe.fields, {
    label: (key) => (key === 'threads' ? flags.label('threads') : recipe.label(key)),
    data: null,
    initial: recipe.initial,
    threads,
    kernels: flags.choice('kernels', kernelChoices) ?? 'auto',
    workers: listening,
  });
  const plan = planOf(prepared);
  if (flags.isOn('quiet') && !json) showNote('--dry-run: nothing was trained');
  show(screen, recipe.name, plan, listening !== null);
  if (json) process.stdout.write(`${JSON.stringify({ dryRun: true, recipe: recipe.name, ...plan })}\n`);
  return 0;
}

function show(screen: Screen, recipeName: string, plan: RunPlan, hasWorkers: boolean): void {
  const { data, kernels } = plan;
  const row = (name: string, value: string) => screen.text(value, `${name.padEnd(15)} `);
  const section = (lines: readonly string[]) => {
    screen.line();
    for (const line of lines) screen.line(line);
  };
  screen.text(`Lockstep ${version}: what it would train; nothing is trained or written`);
  screen.line();
  row('recipe', oneLine(recipeName));
  row('recipe id', plan.recipeId);
  row(
    'data',
    `${oneLine(data.name)}, ${grouped(data.trainSamples)} samples and ${grouped(data.testSamples)} to test with`,
  );
  row('data SHA-256', data.sha256);
  row('kernels', `${kernels.set}: ${kernels.reason}`);
  section(layerLines(plan.layers, screen.columns));
  const flops = (way: 'forward' | 'backward') =>
    countText(plan.layers.reduce((sum, { flops }) => sum + (flops?.[way] ?? 0), 0));
  screen.text(`products, operations a sample: ${flops('forward')} forward, ${flops('backward')} backward`);
  section(exchangeLines(plan, screen.columns));
  screen.text('to and from a worker in a step; up once for each tree node of its shards');
  section(memoryLines(plan, hasWorkers));
  screen.line();
  const all = plan.epochs * plan.stepsPerEpoch;
  row('steps', `${plural(plan.epochs, 'epoch')} of ${grouped(plan.stepsPerEpoch)}, ${grouped(all)} in all`);
  row('batch', `${grouped(Math.min(plan.batchSize, plan.samples))} of ${plural(plan.samples, 'sample')}`);
  row('shards', `${grouped(plan.shardsPerStep)} a step, of ${plural(plan.shardSize, 'sample')} each`);
  for (const [rank, span] of plan.threads.slice(0, mostThreads).entries()) {
    row(`thread ${rank}`, shardsText(span));
  }
  const more = plan.threads.length - mostThreads;
  if (more > 0) row('', `and ${plural(more, 'more thread')}`);
  if (plan.byColumns) row('', 'of the first layer each thread computes some columns for all shards');
  if (hasWorkers) row('workers', 'get runs of shards by their speed');
}

function exchangeLines({ exchanges }: RunPlan, columns: number): string[] {
  const all = exchanges.reduce((sum, { bytes }) => sum + bytes, 0);
  const room = columns - columnsOfBytes - 1;
  return table(
    [
      { title: 'exchange', align: 'left' },
      { title: 'bytes'.padStart(columnsOfBytes), align: 'right' },
    ],
    [
      ...exchanges.map(({ name, bytes }) => [shortened(name, room), grouped(bytes)]),
      ['in all', grouped(all)],
    ],
    columns,
    false,
  );
}

/** MiB of this process, and where there are workers of one with a single thread. */
function memoryLines({ memory, workerMemory }: RunPlan, hasWorkers: boolean): string[] {
  const all = [memory, ...(hasWorkers ? [workerMemory] : [])];
  const mebibytes = (of: (one: Memory) => number) => all.map((one) => (of(one) / 2 ** 20).toFixed(1));
  return table(
    [
      { title: 'memory', align: 'left' },
      { title: 'MiB here', align: 'right' },
      ...(hasWorkers ? [{ title: 'a worker', align: 'right' } as const] : []),
    ],
    [
      ...memoryParts.map((part) => [part, ...mebibytes(({ uses }) => uses[part])]),
      ['in all', ...mebibytes(({ bytes }) => bytes)],
    ],
    undefined,
    false,
  );
}

function shardsText({ from, to }: RunPlan['threads'][number]): string {
  if (to <= from) return 'none';
  return to - from === 1 ? `shard ${from}` : `shards ${from}–${to - 1}`;
}
