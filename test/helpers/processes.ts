/** Processes of tests that tell JSON lines: started, told signals, and none left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { cleanEnvironment } from './cli.ts';
import { EventLog, machineMs } from './event-log.ts';
import type { ProcessEvent, WorkerSettings } from './worker-process.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A network namespace to run in. */
export interface Place {
  readonly namespace: string;
}

export class TestProcess<Event extends { readonly kind: string }> {
  readonly log = new EventLog<Event>();
  readonly exited: Promise<Exit>;
  stderr = '';
  readonly #child: ChildProcess;

  /**
   * Starts a helper of this folder; whatever happens, it is gone when the test is over.
   * @param settings its argument
   */
  constructor(t: Test, helper: string, settings: unknown, place: Place | null = null) {
    const path = fileURLToPath(new URL(`./${helper}${extname(import.meta.url)}`, import.meta.url));
    const inside = place === null ? [] : ['ip', 'netns', 'exec', place.namespace];
    const [command, ...args] = [...inside, process.execPath, path, JSON.stringify(settings)];
    const child = spawn(command, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.log.add(JSON.parse(line)));
    child.stderr.on('data', (text: Buffer) => {
      this.stderr += text.toString();
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    t.teardown(async () => {
      if (this.isRunning) child.kill('SIGKILL');
      await this.exited;
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal, and returns when that was. */
  signal(signal: NodeJS.Signals): number {
    const atMs = machineMs();
    if (!this.#child.kill(signal)) throw new Error(`no process to send ${signal}; ${this.stderr}`);
    return atMs;
  }
}

export type WorkerProcess = TestProcess<ProcessEvent>;

export function startWorker(t: Test, settings: WorkerSettings, place: Place | null = null): WorkerProcess {
  return new TestProcess<ProcessEvent>(t, 'worker-process', settings, place);
}
