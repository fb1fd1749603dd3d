/** Our own program, run as a user would: `lockstep train …` in processes of their own, of which none stays behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../../shared/errors.ts';
import type { Summary } from '../summary.ts';

const cli = fileURLToPath(new URL('../cli.js', import.meta.url));
/** How often a log is looked at for a step to be done. */
const lookMs = 10;
/** Lines of stderr that are kept for a message. */
const keptLines = 20;

/** One process of the program. */
export class Running {
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #lines: string[] = [];
  readonly #closed: Promise<unknown>;
  readonly #watchers = new Set<(line: string) => void>();

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = once(child, 'close');
    child.stdout?.on('data', (piece: Buffer) => this.#stdout.push(piece));
    if (child.stderr === null) throw new Error('stderr is a pipe');
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#lines.push(line);
      if (this.#lines.length > keptLines) this.#lines.shift();
      for (const watcher of this.#watchers) watcher(line);
    });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Waits for its end and returns the exit code, or the signal that ended it. */
  async end(): Promise<number | NodeJS.Signals> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode ?? 1;
  }

  /**
   * Waits for its end and returns what it says in JSON.
   * @throws LockstepError (RUN) with what it said on stderr if it fails
   */
  async summary(): Promise<Summary> {
    const code = await this.end();
    const stdout = Buffer.concat(this.#stdout).toString('utf8').trim();
    if (code === 0 && stdout !== '') return JSON.parse(stdout.slice(stdout.lastIndexOf('\n') + 1)) as Summary;
    throw this.#failed(`it ended with ${code}, expected 0`);
  }

  /**
   * Waits for its end, and for ever if that is a good one.
   * @throws LockstepError (RUN) with what it said on stderr if it fails
   */
  async failure(): Promise<never> {
    const code = await this.end();
    if (code !== 0) throw this.#failed(`a worker ended with ${code}`);
    return new Promise(() => {});
  }

  /**
   * Waits until it says on stderr what a pattern looks for, and returns the pattern's first group.
   * @throws LockstepError (RUN) if it ends before
   */
  async says(pattern: RegExp): Promise<string> {
    const found = (line: string) => pattern.exec(line)?.[1];
    for (const line of this.#lines) {
      const text = found(line);
      if (text !== undefined) return text;
    }
    const said = new Promise<string>((resolve) => {
      this.#watchers.add((line) => {
        const text = found(line);
        if (text !== undefined) resolve(text);
      });
    });
    const text = await Promise.race([said, this.#closed.then(() => null)]);
    if (text === null) throw this.#failed('it ended early');
    return text;
  }

  #failed(what: string): LockstepError {
    return new LockstepError('RUN', `${what}: ${this.#lines.at(-1) ?? 'it said nothing'}`);
  }
}

/** All processes of a verification, and a folder for what they write. */
export class Program {
  readonly folder = mkdtempSync(join(tmpdir(), 'lockstep-verify-'));
  readonly #children = new Set<ChildProcess>();
  /** What the user has set for other runs is not for these. */
  readonly #environment = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOCKSTEP_'))),
    LOCKSTEP_TOKEN: randomBytes(16).toString('hex'),
  };

  start(args: readonly string[]): Running {
    const child = spawn(process.execPath, [cli, ...args], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return new Running(child);
  }

  /** Waits until so many steps are in the log of a run; returns whether it was still running then. */
  async reaches(steps: number, log: string, run: Running): Promise<boolean> {
    while (!run.isOver && stepsIn(log) < steps) await new Promise((resolve) => setTimeout(resolve, lookMs));
    return !run.isOver;
  }

  /** Waits until something whole is in a folder of a run, or the run is over. */
  async fills(folder: string, run: Running): Promise<void> {
    const isThere = () => existsSync(folder) && readdirSync(folder).some((name) => !name.startsWith('.'));
    while (!run.isOver && !isThere()) await new Promise((resolve) => setTimeout(resolve, lookMs));
  }

  /** Ends whatever still runs, and takes the folder away. */
  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function stepsIn(log: string): number {
  if (!existsSync(log)) return 0;
  return readFileSync(log, 'utf8').match(/"samples"/g)?.length ?? 0;
}
