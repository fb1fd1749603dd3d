/** `lockstep worker URL`: computes for a coordinator until its run is over. */
import { availableParallelism, hostname } from 'node:os';
import { parseNumber } from '../../shared/calls.ts';
import { openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import { oneLine, quoted, usageError } from '../../shared/errors.ts';
import { kernelChoices, knownAnswerOf, type LoadedKernels, loadKernels } from '../../shared/kernels/load.ts';
import { parseFingerprint } from '../../shared/wire/fingerprint.ts';
import { type ConnectOptions, connect } from '../../worker/connect.ts';
import { checkThreads } from '../../worker/team.ts';
import { Way } from '../../worker/way.ts';
import { work } from '../../worker/worker.ts';
import { durationMs } from './duration.ts';
import type { FlagValues } from './flag-values.ts';
import { cacheFolder } from './folders.ts';
import { Screen } from './screen.ts';
import { onSignals } from './signals.ts';
import { readToken } from './token.ts';
import { openTrace, type WorkerTrace } from './worker-trace.ts';
import { WorkerView } from './worker-view.ts';

/** For one attempt at a connection. */
const connectTimeoutMs = 5_000;
const longestName = 64;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function workerCommand(url: string, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const plan = readPlan(url, flags);
  const trace = openTrace(flags, plan.name);
  const startMs = performance.now();
  const view = new WorkerView(screen, plan);
  const { reason, code } = await workByPlan(plan, view, trace, (line) => screen.line(line));
  if (json) {
    const seconds = (performance.now() - startMs) / 1000;
    const { name, shards, steps, sessions } = view.account;
    const { threads, kernels } = plan;
    const result = { name, threads, kernels: kernels.set, shards, steps, seconds, sessions, reason };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return code || (trace?.failed ? 1 : 0);
}

/** What is told of a worker's life. */
export type WorkerShow = Pick<WorkerView, 'start' | 'event' | 'finish' | 'stop'>;

/**
 * Works until the run is over or a signal comes.
 * @param say shows a line
 * @returns why it ended, and the exit code
 * @throws LockstepError
 */
export async function workByPlan(
  { way, name, threads, kernels, waitMs, rejoinMs, data }: WorkerPlan,
  view: WorkerShow,
  trace: WorkerTrace | null,
  say: (line: string) => void,
): Promise<{ readonly reason: string; readonly code: number }> {
  const signals = onSignals((signal) => say(`${signal}: leaving; again to end at once`));
  const clear = () => view.stop();
  process.once('exit', clear);
  try {
    view.start();
    const reason = await work({
      connect: (events) => connect({ ...way, events }),
      name,
      threads,
      kernels,
      answer: knownAnswerOf(kernels),
      data: { data, cache: cacheFolder(process.env) },
      connectTimeoutMs: waitMs,
      rejoinTimeoutMs: rejoinMs,
      signal: signals.signal,
      onEvent: (event) => {
        view.event(event);
        trace?.event(event);
      },
      watch: trace?.watch ?? null,
    });
    view.finish(reason);
    return { reason, code: signals.exitCode() };
  } catch (error) {
    view.finish(null);
    throw error;
  } finally {
    trace?.close();
    view.stop();
    signals.release();
    process.off('exit', clear);
  }
}

/** What the flags come to. */
export interface WorkerPlan {
  readonly way: Omit<ConnectOptions, 'events'>;
  /** Host and port. */
  readonly address: string;
  readonly name: string;
  readonly threads: number;
  readonly kernels: LoadedKernels;
  readonly waitMs: number;
  readonly rejoinMs: number;
  readonly data: string | null;
}

/** @throws LockstepError (USAGE) */
export function readPlan(url: string, flags: FlagValues): WorkerPlan {
  const isInsecure = flags.isOn('insecure');
  if (isInsecure && flags.isOnCommandLine('insecure') && /^wss:/i.test(url)) {
    throw usageError(
      `--insecure: got it with ${quoted(url)}, expected ws://; to trust a certificate, pass its --fingerprint`,
    );
  }
  const token = readToken(flags);
  if (token === null) {
    throw usageError(
      '--token: got none, expected the one that the coordinator printed; set LOCKSTEP_TOKEN to it',
    );
  }
  const fingerprint = flags.text('fingerprint');
  const threads = flags.text('threads');
  const data = flags.text('data') ?? null;
  if (data !== null) openDataset(data, knownDatasets, flags.label('data'));
  const way = {
    url,
    token,
    fingerprint: fingerprint === undefined ? null : parseFingerprint(fingerprint, flags.label('fingerprint')),
    isInsecure,
    timeoutMs: connectTimeoutMs,
  };
  return {
    way,
    // What cannot be a coordinator's is said before anything else: there may be a token in it.
    address: new Way(way).address,
    name: readName(flags),
    threads:
      threads === undefined
        ? availableParallelism()
        : checkThreads(parseNumber(threads), flags.label('threads'), threads),
    kernels: loadKernels(flags.choice('kernels', kernelChoices) ?? 'auto'),
    waitMs: durationMs(flags, 'wait', 10_000),
    rejoinMs: durationMs(flags, 'rejoin', 600_000),
    data,
  };
}

/** @throws LockstepError (USAGE) */
function readName(flags: FlagValues): string {
  const text = flags.text('name');
  if (text === undefined) return oneLine(hostname()).slice(0, longestName) || 'worker';
  if (oneLine(text) === text && text.length <= longestName) return text;
  throw usageError(
    `${flags.label('name')}: got ${quoted(text)}, expected 1 to ${longestName} characters that can be seen, on one line`,
  );
}
