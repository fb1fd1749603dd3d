/** A worker as a process of its own. Its argument says how it lives; it tells what happens to it, a JSON line each. */
import { LockstepError, reasonOf } from '../../shared/errors.ts';
import { type KernelSet, knownAnswerOf, loadKernels } from '../../shared/kernels/load.ts';
import { connect } from '../../worker/connect.ts';
import { type WorkerEvent, work } from '../../worker/worker.ts';
import { machineMs } from './event-log.ts';
import { type Connect, doomCrews, doomedConnect, type Fate } from './failing-worker.ts';

export interface WorkerSettings {
  readonly url: string;
  readonly token: string;
  readonly name: string;
  readonly fingerprint?: string | null;
  readonly isInsecure?: boolean;
  readonly threads?: number;
  readonly kernels?: KernelSet;
  /** A folder that keeps the data. */
  readonly cache?: string;
  /** Where it kills itself. */
  readonly fate?: Fate;
  readonly connectTimeoutMs?: number;
  readonly rejoinTimeoutMs?: number;
  /** For each connection, until it is open. */
  readonly openTimeoutMs?: number;
}

/** The last event of a process that was not killed. */
export type ProcessEvent =
  | WorkerEvent
  | { readonly kind: 'ended'; readonly reason: string; readonly code: string | null };

const settings = JSON.parse(process.argv[2]) as WorkerSettings;
const { url, token, name, fingerprint = null, isInsecure = false, fate, openTimeoutMs = 10_000 } = settings;
const kernels = loadKernels(settings.kernels ?? 'wasm');
const leaving = new AbortController();
process.once('SIGTERM', () => leaving.abort());

const tell = (event: ProcessEvent) =>
  process.stdout.write(`${JSON.stringify({ ...event, welcome: undefined, atMs: machineMs() })}\n`);
const plainly: Connect = (events) =>
  connect({ url, token, fingerprint, isInsecure, timeoutMs: openTimeoutMs, events });
if (fate !== undefined) doomCrews(fate);

try {
  const reason = await work({
    name,
    threads: settings.threads ?? 1,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache: settings.cache ?? null },
    connectTimeoutMs: settings.connectTimeoutMs ?? 10_000,
    rejoinTimeoutMs: settings.rejoinTimeoutMs ?? 30_000,
    connect: fate === undefined ? plainly : doomedConnect(plainly, fate),
    signal: leaving.signal,
    onEvent: tell,
  });
  tell({ kind: 'ended', reason, code: null });
} catch (error) {
  tell({ kind: 'ended', reason: reasonOf(error), code: error instanceof LockstepError ? error.code : '?' });
  process.exitCode = 1;
}
