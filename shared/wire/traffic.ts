/** What has gone over a connection: bytes by kind, with the headers of frames and of WebSockets; TLS, TCP and HTTP left out. */
import { type FrameType, frameTypes } from './frame.ts';

export type TrafficKind = FrameType | 'control';
type Counts = Record<TrafficKind, number>;

const kinds: readonly TrafficKind[] = [...frameTypes, 'control'];

export class Traffic {
  readonly sent: Readonly<Counts>;
  readonly received: Readonly<Counts>;
  readonly #sent = noBytes();
  readonly #received = noBytes();

  constructor() {
    this.sent = this.#sent;
    this.received = this.#received;
  }

  /** @param fragments bytes of each fragment of a message */
  countSent(kind: TrafficKind, fragments: readonly number[], isMasked: boolean): void {
    this.#sent[kind] += webSocketBytes(fragments, isMasked);
  }

  countReceived(kind: TrafficKind, fragments: readonly number[], isMasked: boolean): void {
    this.#received[kind] += webSocketBytes(fragments, isMasked);
  }

  /** Adds what went over another connection. */
  add({ sent, received }: Traffic): void {
    for (const kind of kinds) {
      this.#sent[kind] += sent[kind];
      this.#received[kind] += received[kind];
    }
  }
}

export function bytesOf(counts: Readonly<Counts>, some: readonly TrafficKind[] = kinds): number {
  return some.reduce((sum, kind) => sum + counts[kind], 0);
}

/** Bytes of a message on the wire, by the bytes of its fragments (RFC 6455, section 5.2). */
export function webSocketBytes(fragments: readonly number[], isMasked: boolean): number {
  const header = (length: number) => (length < 126 ? 2 : length < 2 ** 16 ? 4 : 10) + (isMasked ? 4 : 0);
  return fragments.reduce((sum, length) => sum + header(length) + length, 0);
}

function noBytes(): Counts {
  return { replica: 0, partial: 0, total: 0, evaluation: 0, data: 0, control: 0 };
}
