/** A coordinator's end of a connection that remembers what was done with it. */
import type { Frame, FrameHeader } from '../../shared/wire/frame.ts';
import type { ArrivingLink } from '../../shared/wire/link.ts';
import type { ToWorker } from '../../shared/wire/messages.ts';

export class RecordingLink implements ArrivingLink {
  readonly address: string;
  readonly ticket = 'a ticket';
  hasBulk = false;
  bufferedBytes = 0;
  readonly messages: ToWorker[] = [];
  readonly frames: Frame[] = [];
  /** How it ended, null while it is open. */
  ended: string | null = null;
  expectedBytes: number | null = null;
  #waiting: { bytes: number; callback: () => void }[] = [];

  constructor(address = '10.0.0.7:50000') {
    this.address = address;
  }

  send(message: ToWorker): void {
    if (this.ended === null) this.messages.push(message);
  }

  sendFrame(header: FrameHeader, payload: Uint8Array): void {
    if (!this.hasBulk) throw new Error('a frame before the bulk connection');
    if (this.ended !== null) return;
    this.frames.push({ ...header, payload: new Uint8Array(payload) });
    this.bufferedBytes += payload.length;
  }

  whenBelow(bytes: number, callback: () => void): void {
    this.#waiting.push({ bytes, callback });
  }

  expectBulk(payloadBytes: number): void {
    this.expectedBytes = payloadBytes;
  }

  close(reason: string): void {
    this.ended ??= `closed: ${reason}`;
  }

  destroy(): void {
    this.ended ??= 'destroyed';
  }

  /** What is waited for: at most so many bytes buffered. */
  get limits(): number[] {
    return this.#waiting.map(({ bytes }) => bytes);
  }

  /** The other end takes all that was sent. */
  drain(): void {
    this.bufferedBytes = 0;
    for (const { callback } of this.#waiting.splice(0)) callback();
  }
}

/** A clock that stands still. */
export const stillClock = { nowMs: () => 0, after: () => () => {} };
