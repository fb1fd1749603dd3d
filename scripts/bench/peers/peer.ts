/** One peer that runs: its process, and the waiting for its lines. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LockstepError, reasonOf } from '../../../shared/errors.ts';
import {
  BadLine,
  type PeerJob,
  type PeerReady,
  type PeerRun,
  type PeerSettings,
  parseReady,
  parseRun,
} from './protocol.ts';

/** How to start a peer in one of its ways. */
export interface PeerLaunch {
  /** For tables and messages: `PyTorch, 1 thread`. */
  readonly title: string;
  readonly command: string;
  /** Before the job. */
  readonly args: readonly string[];
  /** Variables beside those of this process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: PeerSettings;
}

export interface PeerLimits {
  /** To load the library and the data, and to take one step, for which it may compile. */
  readonly startMs: number;
  /** Beyond the seconds that a run was to take. */
  readonly runMs: number;
  /** From the end of its stdin to its own end; then it is killed. */
  readonly closeMs: number;
}

const defaultLimits: PeerLimits = { startMs: 60_000, runMs: 30_000, closeMs: 2000 };
/** Longer lines are no answers. */
const longestLine = 2 ** 16;
/** What is kept of stderr, and how many lines of it an error quotes. */
const keptStderr = 2 ** 13;
const quotedLines = 5;
/** Windows has no process groups. */
const hasGroups = process.platform !== 'win32';

export class Peer {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #launch: PeerLaunch;
  readonly #limits: PeerLimits;
  readonly #exited: Promise<unknown>;
  #ready: PeerReady | null = null;
  #stdout = '';
  #stderr = '';
  /** Set while a line is awaited; called when there may be one, or never will be. */
  #wake: (() => void) | null = null;
  /** Its id may be another's from then on. */
  #isGone = false;
  /** Why there will be no more lines. */
  #end: string | null = null;

  private constructor(launch: PeerLaunch, job: PeerJob, limits: Partial<PeerLimits>) {
    this.#launch = launch;
    this.#limits = { ...defaultLimits, ...limits };
    const { command, args, environment, settings } = launch;
    this.#child = spawn(command, [...args, JSON.stringify({ ...job, ...settings })], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that the processes that it starts can be killed with it.
      detached: hasGroups,
      windowsHide: true,
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', resolve).once('error', resolve);
    });
    this.#child.once('exit', () => {
      this.#kill(); // what it has started would keep its output open
      this.#isGone = true;
    });
    this.#child.once('error', (error) => this.#finish(`cannot be started: ${reasonOf(error)}`));
    // 'close' comes after the last of stdout and stderr, 'exit' may come before.
    this.#child.once('close', (code, signal) =>
      this.#finish(`ended with ${signal ?? `exit code ${String(code)}`}`),
    );
    this.#child.stdin.on('error', () => {}); // its end is noticed by 'close'
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      if (this.#stdout.length > longestLine)
        this.#finish(`wrote more than ${longestLine} characters at once`);
      this.#wake?.();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptStderr);
    });
  }

  /**
   * Starts a peer and waits until it is ready: one step is done then.
   * @throws LockstepError (PEER) when it cannot be started, ends, is silent for too long or says something else;
   *   nothing is left of it then
   */
  static async start(launch: PeerLaunch, job: PeerJob, limits: Partial<PeerLimits> = {}): Promise<Peer> {
    const peer = new Peer(launch, job, limits);
    peer.#ready = await peer.#answer(parseReady, 'ready', peer.#limits.startMs);
    return peer;
  }

  get title(): string {
    return this.#launch.title;
  }

  get ready(): PeerReady {
    if (this.#ready === null) throw new Error('a peer is handed out once it is ready');
    return this.#ready;
  }

  /**
   * Trains until at least so many seconds have passed; one run at a time.
   * @throws LockstepError (PEER), and the peer is closed then
   */
  async run(seconds: number): Promise<PeerRun> {
    this.#child.stdin.write(`${JSON.stringify({ seconds })}\n`);
    return await this.#answer(parseRun, `done after ${seconds} s`, 1000 * seconds + this.#limits.runMs);
  }

  /** Ends the process, and those that it started; safe to call again, and after any failure. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const { closeMs } = this.#limits;
    const timers = [setTimeout(() => this.#kill(), closeMs)];
    // A process that cannot even be killed is not waited for any longer.
    const tooLate = new Promise((resolve) => {
      timers.push(setTimeout(resolve, 2 * closeMs));
    });
    await Promise.race([this.#exited, tooLate]);
    timers.forEach(clearTimeout);
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  /** One line, parsed; whatever else happens ends the peer. */
  async #answer<T>(parse: (line: string) => T, what: string, deadlineMs: number): Promise<T> {
    try {
      return parse(await this.#line(what, deadlineMs));
    } catch (error) {
      this.#kill();
      await this.close();
      if (!(error instanceof BadLine)) throw error;
      throw new LockstepError('PEER', `${this.title}: ${error.message}${this.#lastWords()}`, {
        cause: error,
      });
    }
  }

  async #line(what: string, deadlineMs: number): Promise<string> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake?.();
    }, deadlineMs);
    try {
      for (;;) {
        const end = this.#stdout.indexOf('\n');
        if (end >= 0) {
          const line = this.#stdout.slice(0, end);
          this.#stdout = this.#stdout.slice(end + 1);
          return line;
        }
        if (this.#end !== null) throw this.#error(this.#end);
        if (isLate) throw this.#error(`was not ${what} within ${deadlineMs} ms`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #finish(reason: string): void {
    this.#end ??= reason;
    this.#wake?.();
  }

  #error(problem: string): LockstepError {
    return new LockstepError('PEER', `${this.title}: ${problem}${this.#lastWords()}`);
  }

  /** The last lines of stderr, in one. */
  #lastWords(): string {
    const lines = this.#stderr.trim().split('\n').slice(-quotedLines);
    const words = lines.map((line) => reasonOf(line).trim()).filter((line) => line !== '');
    return words.length === 0 ? '' : `; it said: ${words.join(' | ')}`;
  }

  /** Kills the process by its id, with the group that it leads. */
  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGone) return; // it never started, or has ended
    try {
      process.kill(hasGroups ? -pid : pid, 'SIGKILL');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      // None is left, or (macOS) only one whose end nobody has taken note of yet.
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    }
  }
}
