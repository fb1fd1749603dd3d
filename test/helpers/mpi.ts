/** Ranks of tests, started by each mpirun that is installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { Family } from '../../worker/mpi/library.ts';
import { cleanEnvironment } from './cli.ts';
import { EventLog, type Stamped } from './event-log.ts';
import type { RankEvent, RankJob } from './mpi-rank.ts';
import { isAlive } from './process-ids.ts';
import type { Exit } from './processes.ts';

export interface Mpi {
  readonly family: Family;
  readonly mpirun: string;
  readonly flags: readonly string[];
}

const families: readonly [Family, RegExp, readonly string[], readonly string[]][] = [
  // More ranks than cores are fine here, and none is bound to one.
  ['Open MPI', /Open MPI|OpenRTE/, ['mpirun.openmpi', 'mpirun'], ['--oversubscribe', '--bind-to', 'none']],
  ['MPICH', /HYDRA/, ['mpirun.mpich', 'mpirun'], []],
];

/** Every MPI that can start ranks here; those that are not here are said aloud. */
export function installedMpis(t: Test): Mpi[] {
  const found: Mpi[] = [];
  for (const [family, pattern, commands, flags] of families) {
    const mpirun = commands.find((command) => {
      const { stdout, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8', env: environment() });
      return pattern.test(`${stdout}${stderr}`);
    });
    if (mpirun === undefined) t.comment(`NOT TESTED with ${family}: it is not installed`);
    else found.push({ family, mpirun, flags });
  }
  if (found.length === 0) t.pass('no mpirun here');
  return found;
}

/** What mpirun needs of the environment; Open MPI's refuses root otherwise. */
function environment(): NodeJS.ProcessEnv {
  return { ...cleanEnvironment(), OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
}

/** Some ranks of one job, each the helper mpi-rank. */
export class Ranks {
  readonly log = new EventLog<RankEvent>();
  readonly exited: Promise<Exit>;
  stderr = '';
  /** Of stdout, which is for what ranks tell; MPICH's mpirun says there how a job failed. */
  readonly otherLines: string[] = [];
  readonly #child: ChildProcess;

  /** Starts them; whatever happens, they are gone when the test is over. */
  constructor(t: Test, { mpirun, flags }: Mpi, count: number, job: RankJob) {
    const path = fileURLToPath(new URL('./mpi-rank.js', import.meta.url));
    const command = [...flags, '-n', String(count), process.execPath, path, JSON.stringify(job)];
    const child = spawn(mpirun, command, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) this.log.add(JSON.parse(line));
      else this.otherLines.push(line);
    });
    child.stderr.on('data', (text: Buffer) => {
      this.stderr += text.toString();
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    t.teardown(async () => {
      for (const pid of this.pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await this.exited;
    });
  }

  /** Of the ranks that have started, in no order; and of mpirun. */
  get pids(): number[] {
    const ranks = this.log.all.flatMap((event) => (event.kind === 'started' ? [event.pid] : []));
    return this.#child.pid === undefined ? ranks : [...ranks, this.#child.pid];
  }

  pidOf(rank: number): number {
    const event = this.log.all.find((event) => event.kind === 'started' && event.rank === rank);
    if (event?.kind !== 'started') throw new Error(`rank ${rank} has not started; ${this.stderr}`);
    return event.pid;
  }

  /** What the ranks told of one kind, by rank. */
  told<Kind extends RankEvent['kind']>(kind: Kind): Extract<RankEvent, { kind: Kind }>[] {
    return this.log.all
      .filter(
        (event): event is Stamped<RankEvent> & Extract<RankEvent, { kind: Kind }> => event.kind === kind,
      )
      .toSorted((a, b) => a.rank - b.rank);
  }
}
