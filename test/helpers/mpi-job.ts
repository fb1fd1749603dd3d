/** The compiled command line as the ranks of a job, as mpirun starts them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { jobEnvironment } from '../../scripts/ranks/mpirun.ts';
import { cleanEnvironment, type Finished, program } from './cli.ts';

export interface JobOptions {
  readonly cwd: string;
  /** `mpirun` and its own arguments, without the number of ranks. */
  readonly command: readonly string[];
  /** The arguments of each rank. */
  readonly args: readonly (readonly string[])[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface StartedJob {
  readonly mpirun: ChildProcess;
  readonly finished: Promise<Finished>;
  /** The ids of the ranks' processes, once all of them are there. */
  pids(): Promise<readonly number[]>;
  /** Kills all that is left of it, mpirun and its helpers on other hosts among them. */
  kill(): void;
}

const deadlineMs = 90_000;
const startMs = 30_000;
/** For ranks to find that one is lost, and for mpirun to end them. */
const endMs = 30_000;
/** By which a job's processes are known; mpirun hands its environment on. */
const mark = 'JOB_OF_A_TEST';

/** Starts `lockstep` as ranks; each may have arguments of its own. After a deadline all are killed, and that is no pass. */
export function startJob(t: Test, { cwd, command, args, environment = {} }: JobOptions): StartedJob {
  const id = randomUUID();
  const isAlike = args.every((own) => own.join('\0') === args[0].join('\0'));
  const one = (count: number, own: readonly string[]) => [
    '-n',
    String(count),
    process.execPath,
    program,
    ...own,
  ];
  const ranks = isAlike
    ? one(args.length, args[0])
    : args.flatMap((own, rank) => [...(rank === 0 ? [] : [':']), ...one(1, own)]);
  const [file, ...words] = command;
  const mpirun = spawn(file, [...words, ...ranks], {
    cwd,
    env: { ...cleanEnvironment(), ...jobEnvironment, ...environment, [mark]: id },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  });
  const texts = [mpirun.stdout, mpirun.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString('utf8');
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    mpirun.on('error', reject);
    mpirun.on('close', (code, signal) => {
      const [stdout, stderr] = texts.map((text) => text());
      resolve({ code, signal, stdout, stderr });
    });
  });
  const kill = () => {
    for (const pid of marked(id)) process.kill(pid, 'SIGKILL');
  };
  t.teardown(kill);
  return { mpirun, finished, pids: () => pidsOf(id, args.length), kill };
}

/** What Lockstep said, without what mpirun says when a rank ends with an exit code. */
export function linesOf({ stderr }: Pick<Finished, 'stderr'>): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('lockstep: '));
}

/** Which of these processes do not end in time. */
export async function survivors(pids: readonly number[]): Promise<number[]> {
  const untilMs = performance.now() + endMs;
  for (;;) {
    const left = pids.filter(isThere);
    if (left.length === 0 || performance.now() > untilMs) return left;
    await setTimeout(20);
  }
}

/** By rank. */
async function pidsOf(id: string, count: number): Promise<readonly number[]> {
  const untilMs = performance.now() + startMs;
  for (;;) {
    const found = new Map<number, number>();
    for (const pid of marked(id)) {
      const variables = environmentOf(pid);
      const rank = variables.get('OMPI_COMM_WORLD_RANK') ?? variables.get('PMI_RANK');
      if (rank !== undefined && isProgram(pid)) found.set(Number(rank), pid);
    }
    if (found.size === count) return Array.from({ length: count }, (_, rank) => found.get(rank) ?? 0);
    if (performance.now() > untilMs) throw new Error(`${found.size} ranks of ${count} were there in time`);
    await setTimeout(20);
  }
}

/** The processes that have the mark of a job. */
function marked(id: string): number[] {
  const all = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return all.filter((pid) => environmentOf(pid).get(mark) === id);
}

function environmentOf(pid: number): ReadonlyMap<string, string> {
  const text = readProc(pid, 'environ');
  return new Map(text.split('\0').map((one) => [one.split('=')[0], one.slice(one.indexOf('=') + 1)]));
}

function isProgram(pid: number): boolean {
  return readProc(pid, 'cmdline').split('\0')[1] === program;
}

function isThere(pid: number): boolean {
  // A process that nobody has waited for has no command line.
  return readProc(pid, 'cmdline') !== '';
}

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return ''; // it is gone, or another user's
  }
}
