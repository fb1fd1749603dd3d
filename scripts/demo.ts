/**
 * `npm run demo`: a coordinator and three workers on this machine. One of them is killed in the middle, another one
 * comes, and the digest is the published one all the same.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { verdict } from './demo-verdict.ts';
import { digestOf } from './recipes/digests.ts';

const program = fileURLToPath(new URL('./cli.js', import.meta.url));
const defaultRecipe = ['mnist', '--epochs', '1'];
/** How long the whole may take, and how often the log is looked at for the step to kill in. */
const deadlineMs = 600_000;
const lookMs = 50;

const children = new Set<ChildProcess>();
const folder = mkdtempSync(join(tmpdir(), 'lockstep-demo-'));
/** What the user has set for other runs is not for this one. */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOCKSTEP_'))),
  LOCKSTEP_TOKEN: randomBytes(16).toString('hex'),
};

function start(name: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  createInterface({ input: child.stderr }).on('line', (line) => tell(name, line));
  return child;
}

/** The stdout of a process so far. */
function written(child: ChildProcess): () => string {
  const pieces: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString('utf8');
}

function tell(who: string, text: string): void {
  process.stdout.write(`${who.padEnd(11)} │ ${text}\n`.replace(/ +\n/, '\n'));
}

const demo = (text: string) => tell('demo', text);

/** Whatever happens, nothing of the demo stays behind. */
function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

/** Steps that are done, from the run's log. */
function stepsDone(log: string): number {
  if (!existsSync(log)) return 0;
  const steps = readFileSync(log, 'utf8').match(/"samples"/g);
  return steps?.length ?? 0;
}

/** Where the coordinator says that workers may join, and how many steps an epoch has; null when it ends without. */
function opened(coordinator: ChildProcess): Promise<{ url: string; steps: number } | null> {
  return new Promise((resolve) => {
    let steps = 0;
    const { stderr } = coordinator;
    if (stderr === null) throw new Error('stderr is a pipe');
    createInterface({ input: stderr }).on('line', (line) => {
      steps = Number(/([\d,]+) steps an epoch/.exec(line)?.[1].replaceAll(',', '') ?? steps);
      const url = /worker (ws:\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve({ url, steps });
    });
    coordinator.once('close', () => resolve(null));
  });
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Waits for a step; returns false when the coordinator ends before. */
async function isPast(step: number, log: string, coordinator: ChildProcess): Promise<boolean> {
  while (stepsDone(log) < step && !hasEnded(coordinator)) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  return !hasEnded(coordinator);
}

/** Returns the exit code. */
async function main(recipe: readonly string[]): Promise<number> {
  const log = join(folder, 'log.jsonl');
  demo(`a coordinator for ${recipe.join(' ')}, and three workers: ada, ben and cleo`);
  const coordinator = start('coordinator', [
    ...['coordinator', ...recipe, '--listen', '127.0.0.1:0', '--workers', '3', '--min-workers', '3'],
    ...['--no-run', '--json', '--log', log],
  ]);
  const stdout = written(coordinator);
  const closed = once(coordinator, 'close');
  const open = await opened(coordinator);
  if (open === null) {
    demo('the coordinator ended before workers could join');
    return coordinator.exitCode || 1;
  }
  const { url, steps } = open;
  const work = (name: string) =>
    start(name, ['worker', url, '--name', name, '--threads', '1', '--quiet', '--rejoin', '0']);
  const [, ben] = ['ada', 'ben', 'cleo'].map(work);
  if (await isPast(Math.ceil(steps / 3), log, coordinator)) {
    demo(`kill -9 ${ben.pid}: ben is gone in the middle of a step, without a word`);
    ben.kill('SIGKILL');
    demo('a fourth worker, dora');
    work('dora');
  }
  await closed;
  const summary = JSON.parse(stdout() || 'null');
  if (summary === null) {
    demo('the coordinator ended without a result');
    return coordinator.exitCode || 1;
  }
  const { recipeId, weightsDigest, deaths, joins, work: shares } = summary;
  const expected = digestOf(recipeId) ?? (await digestOfOneThread(recipe));
  demo('');
  for (const { name, shards } of shares) demo(`${name.padEnd(5)} computed ${shards} shards`);
  demo(`${joins} joined, ${deaths} died`);
  demo(`digest of this run     ${weightsDigest}`);
  demo(`${digestOf(recipeId) === null ? 'digest of one thread ' : 'the published digest '}  ${expected}`);
  const { exitCode, line } = verdict({ weightsDigest, expected, deaths, joins });
  demo(line);
  return exitCode;
}

/** What one thread of one process makes of a recipe whose digest is not published. */
async function digestOfOneThread(recipe: readonly string[]): Promise<string | null> {
  demo('the same on one thread, to compare');
  const alone = start('one thread', ['train', ...recipe, '--threads', '1', '--no-run', '--json', '--quiet']);
  const stdout = written(alone);
  await once(alone, 'close');
  return JSON.parse(stdout() || '{}').weightsDigest ?? null;
}

process.once('exit', cleanUp);
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(name, () => process.exit(code));
}
setTimeout(() => {
  demo(`not done within ${deadlineMs / 1000} s`);
  process.exit(1);
}, deadlineMs).unref();
const args = process.argv.slice(2);
process.exit(await main(args.length === 0 ? defaultRecipe : args));
