/** A worker's end of a connection that remembers what was done with it. */
import type { FrameHeader } from '../../shared/wire/frame.ts';
import type { WorkerLink } from '../../shared/wire/link.ts';
import type { ToCoordinator } from '../../shared/wire/messages.ts';

export class RecordingWorkerLink implements WorkerLink {
  readonly address = '10.0.0.7:7077';
  readonly bufferedBytes = 0;
  readonly messages: ToCoordinator[] = [];
  readonly frames: FrameHeader[] = [];
  /** How it ended, null while it is open. */
  ended: string | null = null;
  readonly #openBulk: () => Promise<void>;

  constructor(openBulk = async () => {}) {
    this.#openBulk = openBulk;
  }

  /** The types of what was sent. */
  get sent(): string[] {
    return this.messages.map(({ type }) => type);
  }

  send(message: ToCoordinator): void {
    if (this.ended === null) this.messages.push(message);
  }

  sendFrame(header: FrameHeader): void {
    if (this.ended === null) this.frames.push(header);
  }

  whenBelow(_: number, callback: () => void): void {
    queueMicrotask(callback);
  }

  openBulk(): Promise<void> {
    return this.#openBulk();
  }

  close(reason: string): void {
    this.ended ??= `closed: ${reason}`;
  }

  destroy(): void {
    this.ended ??= 'destroyed';
  }
}
