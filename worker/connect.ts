/** A worker's way through the coordinator's door. */
import { bearerOf, bulkPath, controlPath, ticketHeader } from '../shared/wire/credentials.ts';
import { headerBytes } from '../shared/wire/frame.ts';
import { controlBytes } from '../shared/wire/limits.ts';
import { type Clock, type LinkEvents, systemClock, type WorkerLink } from '../shared/wire/link.ts';
import type { ToWorker } from '../shared/wire/messages.ts';
import { type Connection, WebSocketLink } from '../shared/wire/websocket-link.ts';
import { Way } from './way.ts';

export interface ConnectOptions {
  /** `wss://host:port`, or `ws://` to this machine or where `isInsecure`. */
  readonly url: string;
  readonly token: string;
  /** The one certificate that is trusted; null to trust those that the system trusts, and one that the token vouches for. */
  readonly fingerprint: string | null;
  /** Whether the user said that the token and all else may travel in the open. */
  readonly isInsecure?: boolean;
  /** For each of the two connections, until it is open. */
  readonly timeoutMs: number;
  readonly events: LinkEvents<ToWorker>;
  readonly clock?: Clock;
}

/**
 * Connects to a coordinator with the token.
 * @throws LockstepError: USAGE for a URL or a fingerprint that is none; CONNECTION when nobody answers, which may be
 *   otherwise later; REFUSED when the answer is not that of a coordinator that lets the worker in
 */
export function connect(options: ConnectOptions): Promise<WorkerLink> {
  const way = new Way(options);
  return way.open(controlPath, { authorization: bearerOf(options.token) }, controlBytes, (control) => {
    const link = new Connected(control, way, options.clock ?? systemClock);
    link.listen(options.events);
    return link;
  });
}

class Connected extends WebSocketLink<'toWorker'> implements WorkerLink {
  readonly #way: Way;

  constructor(control: Connection, way: Way, clock: Clock) {
    super(control, { address: way.address, received: 'toWorker', messageBytes: controlBytes, clock });
    this.#way = way;
  }

  openBulk(ticket: string, payloadBytes: number): Promise<void> {
    const headers = { [ticketHeader]: ticket };
    return this.#way.open(bulkPath, headers, headerBytes + payloadBytes, (bulk) => {
      if (this.isOpen) this.addBulk(bulk);
      else bulk.webSocket.terminate(); // the link was closed in the meantime, and its owner has been told
    });
  }
}
