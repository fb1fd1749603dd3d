/** A remote worker's life: connect → sessions → leave; it comes back by itself when a connection is lost. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { LockstepError } from '../shared/errors.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import { arithmeticVersion } from '../shared/recipe/recipe.ts';
import { version } from '../shared/version.ts';
import { collectFramesLate } from '../shared/wire/collector.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { protocolVersion } from '../shared/wire/limits.ts';
import { type LinkEvents, systemClock, type WorkerLink } from '../shared/wire/link.ts';
import type { Hello, ToWorker } from '../shared/wire/messages.ts';
import { backoffMs } from './backoff.ts';
import { Session, type SessionEnd, type SessionEvent } from './session.ts';
import type { DataOrigin, DataPlaces } from './worker-data.ts';
import { Workshop } from './workshop.ts';

export interface WorkerOptions {
  /**
   * Opens a connection to the coordinator.
   * @throws LockstepError: CONNECTION where it may go better later
   */
  connect(events: LinkEvents<ToWorker>): Promise<WorkerLink>;
  readonly name: string;
  readonly threads: number;
  readonly kernels: LoadedKernels;
  /** What the kernels give on the known computation. */
  readonly answer: string;
  readonly data: DataPlaces;
  /** How long to try where nobody answers: at first, and after a connection was lost. */
  readonly connectTimeoutMs: number;
  readonly rejoinTimeoutMs: number;
  /** Leaves when it is aborted. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | SessionEvent
  | { readonly kind: 'data'; readonly from: DataOrigin }
  /** Of data from the coordinator. */
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'retrying'; readonly reason: string; readonly seconds: number }
  | { readonly kind: 'warning'; readonly line: string };

/**
 * Works for a coordinator until its run is over, and returns why it ended.
 * @throws LockstepError: CONNECTION when the coordinator cannot be reached for too long; REFUSED; DATA, TEAM
 */
export async function work(options: WorkerOptions): Promise<string> {
  collectFramesLate();
  const workshop = new Workshop({
    ...options,
    onData: (from) => options.onEvent?.({ kind: 'data', from }),
    onWarning: (line) => options.onEvent?.({ kind: 'warning', line }),
    onProgress: (bytes, total) => options.onEvent?.({ kind: 'progress', bytes, total }),
  });
  const hello: Hello = {
    type: 'hello',
    protocol: protocolVersion,
    arithmetic: arithmeticVersion,
    version,
    answer: options.answer,
    workerId: randomBytes(16).toString('hex'),
    name: options.name,
    threads: options.threads,
    kernels: options.kernels.set,
  };
  let patienceMs = options.connectTimeoutMs;
  /** Sessions in a row that were lost before the worker could take part. */
  let vainSessions = 0;
  const onEvent = (event: WorkerEvent): void => {
    if (event.kind === 'ready') vainSessions = 0;
    options.onEvent?.(event);
  };
  try {
    for (;;) {
      const relay = new Relay();
      if (vainSessions > 0) await pause(backoffMs(vainSessions - 1, Math.random()), options.signal);
      const link = await persist(options, relay, patienceMs);
      if (link === null) return 'interrupted';
      vainSessions += 1;
      const end = await live(link, relay, hello, workshop, { ...options, onEvent });
      if (end.kind === 'over' || end.kind === 'left') return end.reason;
      if (end.kind === 'failed') throw end.error;
      if (end.kind === 'refused')
        throw new LockstepError('REFUSED', `the coordinator refused this worker: ${end.reason}`);
      options.onEvent?.({ kind: 'lost', reason: end.reason });
      patienceMs = options.rejoinTimeoutMs;
    }
  } finally {
    await workshop.close();
  }
}

/** Connects, again and again for so long. Null if the signal came first. */
async function persist(
  { connect, signal, onEvent }: WorkerOptions,
  relay: Relay,
  patienceMs: number,
): Promise<WorkerLink | null> {
  const startMs = systemClock.nowMs();
  for (let attempt = 0; signal?.aborted !== true; attempt++) {
    try {
      return await unless(signal, connect(relay));
    } catch (error) {
      const waitMs = backoffMs(attempt, Math.random());
      const isHopeless = !(error instanceof LockstepError) || error.code !== 'CONNECTION';
      if (isHopeless || systemClock.nowMs() + waitMs - startMs > patienceMs) throw error;
      onEvent?.({ kind: 'retrying', reason: error.message, seconds: waitMs / 1000 });
      await pause(waitMs, signal);
    }
  }
  return null;
}

/** Waits, or until the signal comes. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, { ...(signal && { signal }) }).catch(() => {});
}

/** A connection, or null if the signal comes first; what is opened after that is closed again. */
async function unless(
  signal: AbortSignal | undefined,
  opening: Promise<WorkerLink>,
): Promise<WorkerLink | null> {
  if (signal === undefined) return await opening;
  const stop = new AbortController();
  const aborted = once(signal, 'abort', { signal: stop.signal }).then(() => null);
  try {
    return await Promise.race([opening, aborted]);
  } finally {
    stop.abort();
    aborted
      .then(
        () => opening.then((link) => link.close('interrupted')),
        () => {}, // it was not interrupted
      )
      .catch(() => {}); // and nothing was opened
  }
}

/** One session from its hello to its end. */
async function live(
  link: WorkerLink,
  relay: Relay,
  hello: Hello,
  workshop: Workshop,
  { signal, onEvent }: WorkerOptions,
): Promise<SessionEnd> {
  const session = new Session(link, {
    clock: systemClock,
    hello,
    payloadBytes: (welcome) => workshop.payloadBytes(welcome),
    prepare: (welcome, fetch) => workshop.prepare(welcome, fetch),
    ...(onEvent && { onEvent }),
  });
  relay.passTo(session);
  const leave = () => session.leave('interrupted');
  signal?.addEventListener('abort', leave);
  if (signal?.aborted) leave();
  try {
    return await session.ended;
  } finally {
    signal?.removeEventListener('abort', leave);
  }
}

/** Stands between a link and its session: the link has to exist first, and may be lost before the session is there. */
class Relay implements LinkEvents<ToWorker> {
  #events: LinkEvents<ToWorker> | null = null;
  #closedBecause: string | null = null;

  passTo(events: LinkEvents<ToWorker>): void {
    this.#events = events;
    if (this.#closedBecause !== null) events.closed(this.#closedBecause);
  }

  message(message: ToWorker): void {
    this.#events?.message(message);
  }

  frame(frame: Frame): void {
    this.#events?.frame(frame);
  }

  closed(reason: string): void {
    this.#closedBecause = reason;
    this.#events?.closed(reason);
  }
}
