/**
 * Ranks that `mpirun` starts on this machine, each of which answers what it is asked over a connection of its own. Nobody
 * asks MPI for anything between two questions, so ranks that wait for one take no time from others.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { extname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LockstepError, reasonOf } from '../../shared/errors.ts';
import { onLines, sendLine } from './lines.ts';
import { jobEnvironment } from './mpirun.ts';
import type { RankLine, RankTask } from './rank-end.ts';

export interface RankJobOptions {
  /** The file of `mpirun`. */
  readonly mpirun: string;
  readonly ranks: number;
  /** What every rank runs: a file of ours that calls `serveRank`. */
  readonly script: string;
  /** What every rank is told first. */
  readonly task: object;
  readonly limits?: Partial<RankJobLimits>;
}

export interface RankJobLimits {
  /** For all ranks to be ready: to start, to load MPI and the data, and to find each other. */
  readonly startMs: number;
  /** For all ranks to leave; then they are killed. */
  readonly closeMs: number;
}

const defaultLimits: RankJobLimits = { startMs: 60_000, closeMs: 10_000 };
const host = '127.0.0.1';
/** What is kept of what mpirun and the ranks write, and how many lines of it an error quotes. */
const keptText = 2 ** 13;
const quotedLines = 5;
/** Windows has no process groups. */
const hasGroups = process.platform !== 'win32';

/** A connection that knew the token. */
interface Caller {
  readonly socket: Socket;
  readonly pid: number;
  /** Known once it is ready. */
  rank: number | null;
}

export class RankJob {
  readonly #options: RankJobOptions;
  readonly #limits: RankJobLimits;
  readonly #server: Server;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #gone: Promise<void>;
  readonly #callers: Caller[] = [];
  readonly #answers = new Map<number, unknown>();
  #said = '';
  #failure: LockstepError | null = null;
  #isGone = false;
  /** Called when something is new. */
  #wake = () => {};

  private constructor(options: RankJobOptions, server: Server, token: string) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#server = server;
    server.on('connection', (socket) => this.#meet(socket, token));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const task: RankTask = { host, port, task: options.task };
    const rank = [process.execPath, options.script, JSON.stringify(task)];
    const args = [wardenScript(), options.mpirun, '-n', String(options.ranks), ...rank];
    this.#child = spawn(process.execPath, args, {
      env: { ...jobEnvironment, ...process.env, LOCKSTEP_TOKEN: token },
      // Its stdin ends with this process, however this process ends.
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C, which goes to all processes of a terminal's group, would end it before the turn.
      detached: hasGroups,
      windowsHide: true,
    });
    this.#child.stdin.on('error', () => {}); // its end is noticed by 'close'
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-keptText);
      });
    }
    this.#gone = new Promise((resolve) => {
      const end = (how: string) => {
        this.#isGone = true;
        this.#fail(new LockstepError('MPI', `${this.name} ${how}${this.#lastWords()}`));
        resolve();
      };
      this.#child.once('error', (error) => end(`cannot be started: ${reasonOf(error)}`));
      this.#child.once('close', (code, signal) => end(`ended with ${signal ?? `exit code ${String(code)}`}`));
    });
  }

  /**
   * Starts the ranks and waits until all of them are ready.
   * @throws LockstepError (MPI), or what a rank throws; nothing is left running then
   */
  static async start(options: RankJobOptions): Promise<RankJob> {
    const server = createServer();
    await once(server.listen(0, host), 'listening');
    const job = new RankJob(options, server, randomBytes(16).toString('hex'));
    try {
      const isReady = () => job.#ready.length === options.ranks;
      await job.#until(
        isReady,
        () => `${options.ranks - job.#ready.length} of them ready`,
        job.#limits.startMs,
      );
      return job;
    } catch (error) {
      await job.close();
      throw error;
    }
  }

  /** For messages: `mpirun of 2 ranks`. */
  get name(): string {
    return `mpirun of ${this.#options.ranks} ranks`;
  }

  /** Process ids of the ranks. */
  get pids(): number[] {
    return this.#callers.map(({ pid }) => pid);
  }

  /**
   * Asks all ranks at once. @returns their answers, by rank
   * @throws LockstepError (MPI) when one does not answer in time, or what a rank throws; to be closed then
   */
  async ask(question: object, deadlineMs: number): Promise<unknown[]> {
    const { ranks } = this.#options;
    this.#answers.clear();
    for (const { socket } of this.#ready) sendLine(socket, question);
    await this.#until(
      () => this.#answers.size === ranks,
      () => `an answer of ${ranks - this.#answers.size} of them`,
      deadlineMs,
    );
    return Array.from({ length: ranks }, (_, rank) => this.#answers.get(rank));
  }

  /** Has the ranks leave the job, and ends all processes; safe to call again, and after any failure. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#kill(), this.#limits.closeMs);
    if (this.#failure === null) for (const { socket } of this.#ready) sendLine(socket, { end: true });
    else {
      for (const { socket } of this.#callers) socket.destroy();
      this.#child.stdin.end();
    }
    await this.#gone;
    clearTimeout(timer);
    for (const { socket } of this.#callers) socket.destroy();
    this.#server.close();
  }

  get #ready(): Caller[] {
    return this.#callers.filter(({ rank }) => rank !== null);
  }

  /** Whoever connects says the token first. */
  #meet(socket: Socket, token: string): void {
    let caller: Caller | null = null;
    socket.on('error', () => {}); // its end is noticed by that of mpirun
    onLines(socket, (line) => {
      const said = caller === null ? knowing(line, token) : (JSON.parse(line) as RankLine);
      if (said === null) return void socket.destroy();
      if ('token' in said) {
        caller = { socket, pid: said.pid, rank: null };
        this.#callers.push(caller);
      } else if (caller === null) return;
      else if ('ready' in said) caller.rank = said.ready;
      else if ('answer' in said && caller.rank !== null) this.#answers.set(caller.rank, said.answer);
      else if ('error' in said) this.#fail(new LockstepError(said.error.code, said.error.message));
      this.#wake();
    });
  }

  /** Waits until something is so. @throws LockstepError when it no longer can be, or is late */
  async #until(isSo: () => boolean, what: () => string, deadlineMs: number): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, deadlineMs);
    try {
      while (!isSo()) {
        if (this.#failure !== null) throw this.#failure;
        if (isLate) {
          const words = `got nothing for ${deadlineMs} ms, expected ${what()}${this.#lastWords()}`;
          this.#fail(new LockstepError('MPI', `${this.name}: ${words}`));
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first failure counts: others follow from it. */
  #fail(error: LockstepError): void {
    this.#failure ??= error;
    this.#wake();
  }

  #lastWords(): string {
    const lines = this.#said.split('\n').map((line) => reasonOf(line).trim());
    const words = lines.filter((line) => /\w/.test(line)).slice(-quotedLines);
    return words.length === 0 ? '' : `; it said: ${words.join(' | ')}`;
  }

  /** mpirun and its warden, a group, and the ranks, which Open MPI puts in groups of their own. */
  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGone) return; // the ranks end with it, and their ids may be others' by now
    for (const one of [hasGroups ? -pid : pid, ...this.pids]) {
      try {
        process.kill(one, 'SIGKILL');
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code !== 'ESRCH' && code !== 'EPERM') throw error;
      }
    }
  }
}

/** Beside this file, with its ending. */
function wardenScript(): string {
  return fileURLToPath(new URL(`./warden${extname(import.meta.url)}`, import.meta.url));
}

/** The first line of whoever knows the token; of others, which may say anything, null. */
function knowing(line: string, token: string): RankLine | null {
  try {
    const said = JSON.parse(line) as RankLine | null;
    return said !== null && typeof said === 'object' && 'token' in said && said.token === token ? said : null;
  } catch {
    return null; // no JSON
  }
}
