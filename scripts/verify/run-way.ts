/** Goes one way: trains a recipe as the way says, in processes of their own. */
import { join } from 'node:path';
import { LockstepError } from '../../shared/errors.ts';
import type { Summary } from '../summary.ts';
import type { Program, Running } from './program.ts';
import type { Way, WorkerWay } from './ways.ts';

/** A recipe as it is written on a command line, and the steps that it takes. */
export interface Subject {
  readonly args: readonly string[];
  readonly steps: number;
}

/**
 * Trains and returns the summary.
 * @throws LockstepError (RUN) when a run fails, or when what was to happen in it did not happen
 */
export async function runWay(way: Way, subject: Subject, program: Program): Promise<Summary> {
  switch (way.trouble) {
    case 'none':
      return way.workers.length === 0
        ? program.start(trainArgs(way, [...subject.args, '--no-run', '--quiet'])).summary()
        : withWorkers(way, subject, program);
    case 'worker killed':
      return withDeath(way, subject, program);
    case 'stopped and resumed':
      return resumed('SIGTERM', way, subject, program);
    case 'killed and resumed':
      return resumed('SIGKILL', way, subject, program);
    default:
      return way.trouble satisfies never;
  }
}

function trainArgs(
  { threads, kernels }: Pick<Way, 'threads' | 'kernels'>,
  more: readonly string[],
): string[] {
  return ['train', ...more, '--threads', String(threads), '--kernels', kernels, '--json'];
}

/** Starts a coordinator for some workers, and waits until they can come. */
async function openDoor(
  program: Program,
  args: readonly string[],
  workers: number,
): Promise<{ run: Running; invite: (worker: WorkerWay) => Running }> {
  const count = String(workers);
  const run = program.start([
    ...args,
    ...['--listen', '127.0.0.1:0', '--workers', count, '--min-workers', count],
  ]);
  const url = await run.says(/worker (ws:\S+)/);
  const invite = ({ threads, kernels }: WorkerWay) =>
    program.start(['worker', url, '--threads', String(threads), '--kernels', kernels, '--quiet']);
  return { run, invite };
}

async function withWorkers(way: Way, { args }: Subject, program: Program): Promise<Summary> {
  const command = trainArgs(way, [...args, '--no-run']);
  if (way.threads === 0) command.splice(0, 1, 'coordinator');
  const { run, invite } = await openDoor(program, command, way.workers.length);
  const workers = way.workers.map(invite);
  return check(
    await summaryWith(run, workers),
    ({ workers }) => workers === way.workers.length,
    'not all workers came',
  );
}

async function withDeath(way: Way, { args, steps }: Subject, program: Program): Promise<Summary> {
  const log = join(program.folder, 'death.jsonl');
  const command = ['coordinator', ...args, '--no-run', '--json', '--log', log];
  const { run, invite } = await openDoor(program, command, way.workers.length);
  const [victim, ...others] = way.workers.map(invite);
  await program.reaches(middleOf(steps), log, run);
  victim.kill('SIGKILL');
  others.push(invite(way.workers[0]));
  return check(
    await summaryWith(run, others),
    ({ deaths }) => deaths === 1,
    'the run was over before the worker was killed',
  );
}

async function resumed(
  signal: 'SIGTERM' | 'SIGKILL',
  way: Way,
  { args, steps }: Subject,
  program: Program,
): Promise<Summary> {
  const folder = join(program.folder, signal);
  const first = program.start(
    trainArgs(way, [...args, '--quiet', '--run', folder, '--checkpoint-every', '3']),
  );
  await program.reaches(middleOf(steps), join(folder, 'log.jsonl'), first);
  await program.fills(join(folder, 'checkpoints'), first);
  first.kill(signal);
  await first.end();
  const other = { threads: 2, kernels: 'auto' };
  const again = ['--resume', folder];
  if (signal === 'SIGTERM') {
    const second = program.start(trainArgs(other, [...again, '--quiet']));
    return check(await second.summary(), isResumed, 'the run was over before it was stopped');
  }
  const { run, invite } = await openDoor(program, ['coordinator', ...again, '--json'], 2);
  const workers = [1, 1].map((threads) => invite({ ...other, threads }));
  return check(await summaryWith(run, workers), isResumed, 'the run was over before it was killed');
}

/** The summary of a run, as soon as it is there; the failure of a worker, if that is sooner. */
function summaryWith(run: Running, workers: readonly Running[]): Promise<Summary> {
  return Promise.race([run.summary(), ...workers.map((worker) => worker.failure())]);
}

function isResumed({ resumedAtStep, stepsComputed }: Summary): boolean {
  return resumedAtStep !== null && resumedAtStep > 0 && stepsComputed > 0;
}

function middleOf(steps: number): number {
  return Math.ceil(steps / 3);
}

function check(summary: Summary, isProven: (summary: Summary) => boolean, otherwise: string): Summary {
  if (isProven(summary)) return summary;
  throw new LockstepError('RUN', `${otherwise}; take a longer recipe`);
}
