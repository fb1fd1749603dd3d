/** A Slurm of the test's own on this machine alone: one node, its daemons, its key. Gone when the test is over. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { cleanEnvironment } from './cli.ts';

const programs = ['munged', 'slurmctld', 'slurmd', 'srun', 'sbatch', 'squeue', 'scancel', 'scontrol'];
/** Slurm's daemons are where only root looks. */
const path = `${process.env.PATH}:/usr/sbin:/sbin`;
/** For whatever it has to come to. */
const deadlineMs = 120_000;
/** Starts a cluster, or says aloud what is missing and returns null. */
export async function startSlurm(t: Test): Promise<Slurm | null> {
  const munge = mungeUser();
  const missing = [
    ...(process.getuid?.() === 0 ? [] : ['root']),
    ...programs.filter((name) => spawnSync(name, ['--version'], { env: { PATH: path } }).error !== undefined),
    ...(munge === null ? ['a user munge'] : []),
  ];
  if (munge === null || missing.length > 0) {
    t.comment(`NOT TESTED: a Slurm of its own needs ${missing.join(', ')}`);
    t.pass(`no ${missing.join(', ')} here`);
    return null;
  }
  const cluster = new Slurm(munge, await freePorts(2));
  t.teardown(() => cluster.close());
  await cluster.start();
  return cluster;
}

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** Who runs munged. */
function mungeUser(): Ids | null {
  const found = /^munge:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return found === null ? null : { uid: Number(found[1]), gid: Number(found[2]) };
}

async function freePorts(count: number): Promise<number[]> {
  const listening = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return listening.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
}

export class Slurm {
  /** For its commands: where it is, and nothing of the test's own. */
  readonly environment: NodeJS.ProcessEnv;
  /** The path of a socket is short, so not below the test's folder. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'lockstep-slurm-'));
  readonly #munge: Ids;
  readonly #ports: readonly number[];
  readonly #daemons: ChildProcess[] = [];

  constructor(munge: Ids, ports: readonly number[]) {
    this.#munge = munge;
    this.#ports = ports;
    this.environment = { ...cleanEnvironment(), PATH: path, SLURM_CONF: join(this.#folder, 'slurm.conf') };
  }

  async start(): Promise<void> {
    this.#write();
    const munge = join(this.#folder, 'munge');
    const at = (name: string) => join(munge, name);
    const files = [
      `--socket=${at('socket')}`,
      `--key-file=${at('key')}`,
      `--seed-file=${at('seed')}`,
      `--pid-file=${at('pid')}`,
      `--log-file=${at('log')}`,
    ];
    this.#begin('munged', ['--foreground', '--force', ...files], this.#munge);
    this.#begin('slurmctld', ['-D']);
    this.#begin('slurmd', ['-D']);
    await this.#until('an idle node', () => this.run('sinfo', '-h', '-o', '%T').trim() === 'idle');
  }

  /** Runs one of its commands to its end. @returns stdout @throws Error where it fails */
  run(command: string, ...args: readonly string[]): string {
    const { status, stdout, stderr, error } = this.try(command, ...args);
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
    return stdout;
  }

  /** The same, whatever comes of it; none of them takes long. */
  try(command: string, ...args: readonly string[]) {
    const options = { env: this.environment, encoding: 'utf8', timeout: 20_000 } as const;
    return spawnSync(command, args, options);
  }

  /** What it knows of a job: `JobState`, `Restarts`, `ExitCode`, … */
  job(id: string): Readonly<Record<string, string>> {
    const words = this.run('scontrol', 'show', 'job', id, '--oneliner').trim().split(' ');
    return Object.fromEntries(words.map((word) => word.split(/=(.*)/s).slice(0, 2)));
  }

  /** Waits until it knows this of a job, and returns all that it knows. @throws Error with its logs after the deadline */
  async jobWhen(
    id: string,
    what: string,
    fits: (job: Readonly<Record<string, string>>) => boolean,
  ): Promise<Readonly<Record<string, string>>> {
    let job: Readonly<Record<string, string>> = {};
    await this.#until(`${what} of job ${id}`, () => {
      job = this.job(id);
      return fits(job);
    });
    return job;
  }

  /** Lets a job that was queued again begin now, not only when its old credential has expired. */
  async beginAgain(id: string, restarts: number): Promise<void> {
    await this.jobWhen(
      id,
      `start number ${restarts + 1}`,
      ({ JobState, Reason, Restarts }) =>
        Restarts === String(restarts) && (JobState === 'RUNNING' || Reason === 'BeginTime'),
    );
    this.try('scontrol', 'update', `JobId=${id}`, 'StartTime=now');
  }

  /** Ends what runs there, then the daemons, each by its own id. */
  async close(): Promise<void> {
    const isThere = this.#daemons.length === 3 && this.try('sinfo').status === 0;
    if (isThere) {
      this.try('scancel', '--signal=KILL', '--full', '--user=root');
      this.try('scancel', '--user=root');
      await this.#until('an empty queue', () => this.run('squeue', '-h').trim() === '');
    }
    for (const daemon of this.#daemons.reverse()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const ended = once(daemon, 'exit');
      const deadline = globalThis.setTimeout(() => daemon.kill('SIGKILL'), 10_000);
      daemon.kill('SIGTERM');
      await ended;
      clearTimeout(deadline);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #begin(name: string, args: readonly string[], ids?: Ids): void {
    const child = spawn(name, args, { env: this.environment, stdio: 'ignore', ...ids });
    child.on('error', (error) => process.stderr.write(`${name}: ${error.message}\n`));
    this.#daemons.push(child);
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const startMs = performance.now();
    while (!this.#holds(holds)) {
      if (performance.now() - startMs > deadlineMs)
        throw new Error(`no ${what} within ${deadlineMs} ms:\n${this.log()}`);
      await setTimeout(50);
    }
  }

  #holds(holds: () => boolean): boolean {
    try {
      return holds();
    } catch {
      // Not there yet: the deadline tells.
      return false;
    }
  }

  /** What its daemons wrote last. */
  log(): string {
    return ['slurmctld.log', 'slurmd.log', 'munge/log']
      .map((name) => {
        try {
          return `${name}:\n${readFileSync(join(this.#folder, name), 'utf8').slice(-2000)}`;
        } catch {
          return `${name}: none`;
        }
      })
      .join('\n');
  }

  #write(): void {
    const at = (name: string) => join(this.#folder, name);
    chmodSync(this.#folder, 0o755);
    for (const name of ['state', 'spool', 'munge']) mkdirSync(at(name), { mode: 0o755 });
    writeFileSync(at('munge/key'), randomBytes(64), { mode: 0o600 });
    for (const name of ['munge', 'munge/key']) chownSync(at(name), this.#munge.uid, this.#munge.gid);
    const [host] = hostname().split('.');
    const [controllerPort, nodePort] = this.#ports;
    const lines = [
      'ClusterName=lockstep',
      `SlurmctldHost=${host}(127.0.0.1)`,
      `SlurmctldPort=${controllerPort}`,
      `SlurmdPort=${nodePort}`,
      // Nobody else is to find it.
      'CommunicationParameters=NoCtldInAddrAny,NoInAddrAny',
      'SlurmUser=root',
      `AuthInfo=socket=${at('munge/socket')}`,
      `StateSaveLocation=${at('state')}`,
      `SlurmdSpoolDir=${at('spool')}`,
      `SlurmctldPidFile=${at('slurmctld.pid')}`,
      `SlurmdPidFile=${at('slurmd.pid')}`,
      `SlurmctldLogFile=${at('slurmctld.log')}`,
      `SlurmdLogFile=${at('slurmd.log')}`,
      // What needs no control groups.
      'ProctrackType=proctrack/pgid',
      'TaskPlugin=task/none',
      'SelectType=select/cons_tres',
      'SchedulerParameters=sched_interval=1',
      'MailProg=/bin/true',
      // Two are promised, however many there are.
      'SlurmdParameters=config_overrides',
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2`,
      'PartitionName=all Nodes=ALL Default=YES State=UP',
    ];
    writeFileSync(at('slurm.conf'), `${lines.join('\n')}\n`);
  }
}
