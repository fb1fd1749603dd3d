/** A process that works for a benchmark, from its start to its end. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { extname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LockstepError, reasonOf } from '../../shared/errors.ts';
import type { WorkerJob } from './worker-job.ts';

/** Between being told to end and being killed. */
const closeMs = 2000;
/** Windows has no process groups. */
const hasGroups = process.platform !== 'win32';
/** What is kept of stderr. */
const keptStderr = 2 ** 12;

export class WorkerProcess {
  /** Resolves to an error when the process has ended before it was closed. */
  readonly died: Promise<LockstepError>;
  readonly #child: ChildProcessByStdio<Writable, null, Readable>;
  readonly #gone: Promise<void>;
  #isGone = false;
  #stderr = '';

  /** @param command Node's, and the script, except in tests */
  constructor(
    job: WorkerJob,
    token: string,
    [command, ...args]: readonly string[] = [process.execPath, workerScript()],
  ) {
    this.#child = spawn(command, [...args, JSON.stringify(job)], {
      env: { ...process.env, LOCKSTEP_TOKEN: token },
      // Its stdin ends with this process, however this process ends.
      stdio: ['pipe', 'ignore', 'pipe'],
      // A group of its own: Ctrl-C, which goes to all processes of a terminal's group, would end it before the turn.
      detached: hasGroups,
      windowsHide: true,
    });
    this.#child.stdin.on('error', () => {}); // its end is noticed by 'close'
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptStderr);
    });
    this.died = new Promise((resolve) => {
      const end = (how: string) => {
        this.#isGone = true;
        const words = this.#stderr.trim() === '' ? '' : `; it said: ${reasonOf(this.#stderr.trim())}`;
        resolve(new LockstepError('WORKERS', `${job.name} ${how}${words}`));
      };
      this.#child.once('error', (error) => end(`cannot be started: ${reasonOf(error)}`));
      this.#child.once('close', (code, signal) => end(`ended with ${signal ?? `exit code ${String(code)}`}`));
    });
    this.#gone = this.died.then(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends the process; safe to call again. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => {
      if (!this.#isGone) this.#child.kill('SIGKILL');
    }, closeMs);
    await this.#gone;
    clearTimeout(timer);
  }
}

/** Beside this file, with its ending. */
function workerScript(): string {
  return fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
}
