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
import { Patience } from './patience.ts';
import { Session, type SessionEnd, type SessionEvent } from './session.ts';
import type { OwnWatch } from './step-watch.ts';
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
  /** How long to try where nobody answers at first, and to take part again after a connection was lost. */
  readonly connectTimeoutMs: number;
  readonly rejoinTimeoutMs: number;
  /** Leaves when it is aborted. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: WorkerEvent) => void;
  /** Who is told how this worker spends its steps. */
  readonly watch?: OwnWatch | null;
}

export type WorkerEvent =
  | SessionEvent
  | { readonly kind: 'data'; readonly from: DataOrigin }
  /** Of data from the coordinator. */
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number }
  /** It tries to come back for so many seconds, 0 if not at all. */
  | { readonly kind: 'lost'; readonly reason: string; readonly seconds: number }
  | { readonly kind: 'retrying'; readonly reason: string; readonly seconds: number }
  | { readonly kind: 'warning'; readonly line: string };

/**
 * Works for a coordinator until its run is over, and returns why it ended.
 * @throws LockstepError: CONNECTION when it cannot take part for too long; REFUSED; RUN when the run failed; DATA, TEAM
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
  const { connectTimeoutMs, rejoinTimeoutMs, signal } = options;
  const limits = { connectMs: connectTimeoutMs, rejoinMs: rejoinTimeoutMs };
  const patience = new Patience(systemClock.nowMs(), limits);
  const onEvent = (event: WorkerEvent): void => {
    if (event.kind === 'ready') patience.tookPart();
    options.onEvent?.(event);
  };
  try {
    for (;;) {
      const relay = new Relay();
      const link = await persist(options, relay, patience);
      if (link === null) return 'interrupted';
      const end = await live(link, relay, hello, workshop, { ...options, onEvent });
      if (isFinal(end, link)) return end.reason;
      if (signal?.aborted) return 'interrupted';
      const nowMs = systemClock.nowMs();
      const waitMs = patience.lost(nowMs, Math.random());
      const isHopeless = patience.leftMs(nowMs + waitMs) === 0;
      onEvent({ kind: 'lost', reason: end.reason, seconds: isHopeless ? 0 : patience.leftMs(nowMs) / 1000 });
      if (isHopeless) throw givenUp(link, end.reason, rejoinTimeoutMs);
      await pause(waitMs, signal);
    }
  } finally {
    await workshop.close();
  }
}

/** Whether the worker has done its part; otherwise it comes back. @throws what went wrong for good */
function isFinal(end: SessionEnd, { address }: WorkerLink): boolean {
  switch (end.kind) {
    case 'over':
    case 'left':
      return true;
    case 'broken':
      throw new LockstepError('RUN', `coordinator ${address}: ${end.reason}`);
    case 'failed':
      throw end.error;
    case 'refused':
      throw new LockstepError('REFUSED', `the coordinator refused this worker: ${end.reason}`);
    case 'lost':
      return false;
    default:
      return end satisfies never;
  }
}

function givenUp({ address }: WorkerLink, reason: string, rejoinMs: number): LockstepError {
  const tried = rejoinMs === 0 ? 'not tried again' : `tried again for ${rejoinMs / 1000} s`;
  return new LockstepError('CONNECTION', `coordinator ${address}: ${reason}; ${tried} (--rejoin)`);
}

/** Connects, again and again as long as there is patience. Null if the signal came first. */
async function persist(
  { connect, signal, onEvent }: WorkerOptions,
  relay: Relay,
  patience: Patience,
): Promise<WorkerLink | null> {
  for (let attempt = 0; signal?.aborted !== true; attempt++) {
    try {
      return await unless(signal, connect(relay));
    } catch (error) {
      const waitMs = backoffMs(attempt, Math.random());
      const isHopeless = !(error instanceof LockstepError) || error.code !== 'CONNECTION';
      if (isHopeless || patience.leftMs(systemClock.nowMs() + waitMs) === 0) throw error;
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
  { signal, onEvent, watch = null }: WorkerOptions,
): Promise<SessionEnd> {
  const session = new Session(link, {
    clock: systemClock,
    hello,
    payloadBytes: (job) => workshop.payloadBytes(job),
    prepare: (job, fetch) => workshop.prepare(job, fetch),
    watch,
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
