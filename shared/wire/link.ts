/**
 * What the coordinator and a worker see of the world outside: a connection to each other and a clock. WebSockets and
 * the system's clock stand behind them in a run, and a simulated network in the simulation.
 */
import type { Frame, FrameHeader } from './frame.ts';
import type { ToCoordinator, ToWorker } from './messages.ts';
import type { Traffic } from './traffic.ts';

/** A connection: control messages and bulk frames, each in order, but not in order with one another. */
export interface Link<Sent> {
  /** The other end, for messages to people: `10.0.0.7:51234`. */
  readonly address: string;
  /** Sends a control message; nothing happens on a connection that is closed. */
  send(message: Sent): void;
  /**
   * Sends a frame. The payload must not change until it has left, that is, counts no more as buffered.
   */
  sendFrame(header: FrameHeader, payload: Uint8Array): void;
  /** What has gone over it; a link that does not leave the process counts nothing. */
  readonly traffic?: Traffic;
  /** Bytes that were sent and have not left yet. */
  readonly bufferedBytes: number;
  /** Calls back once, never before it has returned, when at most so many bytes are buffered or the connection is closed. */
  whenBelow(bytes: number, callback: () => void): void;
  /**
   * Closes the connection, once what was sent has left; `reason` is for the other end's message to its user (cut after
   * 123 bytes). The owner is told nothing more but `closed`.
   */
  close(reason: string): void;
  /** Drops the connection at once, with all that is buffered. The owner is told nothing more but `closed`. */
  destroy(): void;
}

/** The coordinator's end: a worker that came with the right token. Its first message is a hello, or it is cut. */
export interface ArrivingLink extends Link<ToWorker> {
  /** What the worker opens the bulk connection with, once it has been told. */
  readonly ticket: string;
  readonly hasBulk: boolean;
  /** Lets the bulk connection come, with frames of at most so many bytes of payload; `bulkOpen` tells of it. */
  expectBulk(payloadBytes: number): void;
}

/** The worker's end. */
export interface WorkerLink extends Link<ToCoordinator> {
  /**
   * Opens the bulk connection with the ticket of the welcome; frames of at most so many bytes of payload are taken.
   * @throws LockstepError (CONNECTION, REFUSED)
   */
  openBulk(ticket: string, payloadBytes: number): Promise<void>;
}

/** What the owner of a link is told. Nothing more is told after `closed`. */
export interface LinkEvents<Received> {
  message(message: Received): void;
  /** The payload is the receiver's to keep. */
  frame(frame: Frame): void;
  /** The bulk connection has come; from now on `sendFrame` may be called. */
  bulkOpen?(): void;
  /** The connection is gone, with the reason as far as it is known, in one line. */
  closed(reason: string): void;
}

/** Time, as it passes or as a simulation lets it pass. */
export interface Clock {
  /** Milliseconds since any fixed moment; never goes back. */
  nowMs(): number;
  /** Calls back after so many milliseconds; the function that it returns takes that back. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
