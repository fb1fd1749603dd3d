/** Trainings with workers that are processes, and a coordinator that is this one or another process. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { FleetEvent } from '../../coordinator/fleet.ts';
import { type RunSettings, type TrainResult, trainFields } from '../../scripts/training.ts';
import type { WorkersSettings } from '../../scripts/workers.ts';
import { type Finished, lockstep } from './cli.ts';

export const token = 'a-token-for-tests';

/** A `lockstep` process that a test talks about while it runs; it is gone when the test is over. */
export interface Launched {
  readonly child: ChildProcess;
  /** Where it runs. */
  readonly cwd: string;
  readonly finished: Promise<Finished>;
  /** Waits until its stdout and stderr, one behind the other, match. @throws Error when it ends without */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts `lockstep` with the token of the tests and folders of its own for what it keeps. */
export function launch(
  t: Test,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  folder = t.testdirName,
): Launched {
  mkdirSync(folder, { recursive: true });
  const cwd = mkdtempSync(join(folder, 'run-'));
  const places = { XDG_STATE_HOME: join(cwd, 'state'), XDG_CACHE_HOME: join(cwd, 'cache') };
  let started: ChildProcess | undefined;
  let output = '';
  let look = (): void => {};
  const finished = lockstep(args, {
    cwd,
    environment: { LOCKSTEP_TOKEN: token, ...places, ...environment },
    during: (child) => {
      started = child;
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (piece: Buffer) => {
          output += piece.toString('utf8');
          look();
        });
      }
    },
  });
  const child = started;
  if (child === undefined) throw new Error('it was not started');
  // Whoever still writes into the test's folder stands in the way of its removal.
  t.teardown(async () => {
    child.kill('SIGKILL');
    await finished.catch(() => {});
  });
  return {
    child,
    cwd,
    finished,
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          const match = pattern.exec(output);
          if (match !== null) resolve(match);
        };
        look();
        finished.then(
          ({ code }) => reject(new Error(`exit code ${code} without ${pattern}: ${output.slice(-500)}`)),
          reject,
        );
      }),
  };
}

/** A coordinator as a process, once it says where workers may come in. */
export async function launchCoordinator(
  t: Test,
  args: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<Launched & { readonly url: string }> {
  const coordinator = launch(t, ['coordinator', '--listen', '127.0.0.1:0', '--json', ...args], environment);
  const [, url] = await coordinator.shows(/worker (wss?:\/\/[\w.:[\]]+)/);
  return { ...coordinator, url };
}

export interface Network extends Partial<Pick<RunSettings, 'threads' | 'kernels' | 'hooks'>> {
  readonly data: string;
  readonly settings?: Partial<WorkersSettings>;
  /** Called when the door is open. */
  readonly onOpen: (url: string) => void;
}

export type Trained = TrainResult['summary'] & { readonly events: readonly FleetEvent[] };

/** Trains with this process as the coordinator, whose hooks are called between steps, and says what happened. */
export async function coordinateHere(
  fields: object,
  { data, settings = {}, onOpen, threads = 0, kernels = 'wasm', hooks = {} }: Network,
): Promise<Trained> {
  const events: FleetEvent[] = [];
  const { summary } = await trainFields(fields, {
    label: (key) => key,
    data,
    initial: null,
    threads,
    kernels,
    hooks,
    workers: {
      listen: { host: '127.0.0.1', port: 0 },
      token,
      tls: null,
      threads,
      workers: 1,
      minWorkers: threads > 0 ? 0 : 1,
      workerTimeoutMs: 60_000,
      stepTimeoutMs: 30_000, // the machine may be slow, and then nobody is to blame
      ...settings,
      onOpen: ({ url }) => onOpen(url),
      onEvent: (event) => {
        events.push(event);
        settings.onEvent?.(event);
      },
    },
  });
  return { ...summary, events };
}
