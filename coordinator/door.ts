/**
 * The door: one port, where workers come in with the token. Whoever has not shown it gets little time, little memory
 * and one line of an answer; nothing that they send reaches the rest of the coordinator.
 */
import {
  createServer as createHttp,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createListener, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { reasonOf } from '../shared/errors.ts';
import { type ListenAddress, plainHost, remoteAddress } from '../shared/wire/address.ts';
import { bulkPath, controlPath, ticketHeader } from '../shared/wire/credentials.ts';
import { answerTimeoutMs, controlBytes, headersBytes } from '../shared/wire/limits.ts';
import { type ArrivingLink, type Clock, type LinkEvents, systemClock } from '../shared/wire/link.ts';
import type { ToCoordinator } from '../shared/wire/messages.ts';
import { vouchingPath } from '../shared/wire/vouching.ts';
import { acceptWebSocket, subprotocol, type WebSocket } from '../shared/wire/websocket.ts';
import { type Refusal, refuseSite, refuseToken } from './admission.ts';
import { Arrival } from './arrival.ts';
import { dnsNamesOf } from './certificate.ts';
import { codeOf } from './durable-file.ts';
import { listenAt } from './listen.ts';
import { ownNames } from './own-names.ts';
import { RefusalLog } from './refusal-log.ts';
import { Strangers } from './strangers.ts';
import { Voucher } from './voucher.ts';

export interface DoorOptions {
  readonly listen: ListenAddress;
  readonly token: string;
  /** PEM texts, or null for no TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** What this machine is called besides its addresses, its own names, those of its certificate and where it listens. */
  readonly names?: readonly string[];
  /** A worker has come with the right token; what its link tells goes to what is returned. */
  readonly onWorker: (link: ArrivingLink) => LinkEvents<ToCoordinator>;
  /** Tells of the refused, a line each; never holds a token. */
  readonly log: (line: string) => void;
  readonly clock?: Clock;
}

export interface Door {
  /** The port that is listened on. */
  readonly port: number;
  /** Stops listening, closes all links with this reason, and returns when nothing is left open. */
  close(reason: string): Promise<void>;
}

/**
 * Opens the door.
 * @throws LockstepError (CONNECTION) when the port cannot be had
 */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const doorkeeper = new Doorkeeper(options);
  const listener = createListener((socket) => doorkeeper.meet(socket));
  const port = await listenAt(listener, options.listen);
  return { port, close: (reason) => doorkeeper.close(listener, reason) };
}

/** Answers the upgrade request with a WebSocket that takes messages of at most so many bytes. */
type Accept = (messageBytes: number) => WebSocket | Refusal;

class Doorkeeper {
  readonly #options: DoorOptions;
  readonly #clock: Clock;
  readonly #names: ReadonlySet<string>;
  readonly #secureContext: SecureContext | null;
  readonly #voucher: Voucher | null;
  readonly #log: RefusalLog;
  readonly #strangers: Strangers;
  /** By ticket. */
  readonly #arrivals = new Map<string, Arrival>();
  #lastHasLeft = (): void => {};
  /** The socket of the system below each stream that HTTP sees. */
  readonly #below = new WeakMap<Duplex, Socket>();
  /** Sockets under TLS that have asked for nothing yet, with their address. */
  readonly #silent = new Map<Socket, string>();
  /** Reads requests from sockets that it is given; it never listens itself. */
  readonly #http = createHttp({ maxHeaderSize: headersBytes, keepAlive: false, requestTimeout: 0 });

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { listen, tls, names = [] } = options;
    const known = [listen.host, ...ownNames(), ...(tls === null ? [] : dnsNamesOf(tls.cert)), ...names];
    this.#names = new Set(known.map((name) => name.toLowerCase()));
    this.#secureContext = tls === null ? null : createSecureContext({ ...tls, minVersion: 'TLSv1.3' });
    this.#voucher = tls === null ? null : new Voucher(options.token, tls.cert);
    this.#log = new RefusalLog(this.#clock, options.log);
    this.#strangers = new Strangers(this.#clock, (socket, why) => this.#note(socket, why));
    this.#http.maxRequestsPerSocket = 1;
    this.#http.on('request', (request, response) => this.#answer(request, response));
    this.#http.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head));
    this.#http.on('clientError', (error, stream) => this.#misread(error, stream));
  }

  /** Takes in a new connection. */
  meet(socket: Socket): void {
    socket.on('error', () => socket.destroy()); // it is gone, and whoever used it sees it closed
    this.#strangers.add(socket);
    if (this.#secureContext === null) this.#serve(socket, socket);
    else socket.once('data', (start) => this.#secure(socket, start, this.#secureContext));
  }

  /** A handshake of TLS begins with a byte 22; to one that speaks HTTP instead, it is said in HTTP. */
  #secure(socket: Socket, start: Buffer, context: SecureContext | null): void {
    if (start[0] !== 22) {
      this.#refuse(socket, { status: 400, line: 'this port speaks TLS; use wss:// and the fingerprint' });
      return;
    }
    this.#awaitRequest(socket);
    socket.pause();
    socket.unshift(start);
    const secure = new TLSSocket(socket, { isServer: true, secureContext: context ?? undefined });
    secure.on('error', (error) => {
      this.#note(socket, `no TLS connection (${reasonOf(error)})`);
      socket.destroy();
    });
    secure.once('secure', () => {
      secure.removeAllListeners('error');
      secure.on('error', () => secure.destroy());
      this.#serve(secure, socket);
    });
  }

  /** Whoever finds another certificate than it expects goes without a word; the log has one. */
  #awaitRequest(socket: Socket): void {
    this.#silent.set(socket, remoteAddress(socket));
    socket.once('close', () => {
      const address = this.#silent.get(socket);
      this.#silent.delete(socket);
      if (address === undefined) return;
      this.#log.write(`${address} closed under TLS without a request: does it expect another certificate?`);
    });
  }

  #serve(stream: Duplex, socket: Socket): void {
    this.#below.set(stream, socket);
    this.#http.emit('connection', stream);
  }

  /** Requests that ask for no upgrade: whether the certificate is ours, and nothing else. There are no pages. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    const answer = this.#vouch(request);
    if (typeof answer !== 'string') this.#note(request.socket, answer.why);
    const socket = this.#below.get(request.socket);
    if (socket !== undefined) this.#silent.delete(socket);
    this.#below.delete(request.socket); // no upgrade may follow on this connection
    const [status, line] = typeof answer === 'string' ? [200, answer] : [answer.status, answer.line];
    response.writeHead(status, answerHeaders);
    response.end(`${line}\n`);
  }

  /** The proof that a worker asks for; for anybody else what is answered and what is logged. */
  #vouch(request: IncomingMessage): string | (Refusal & { readonly why: string }) {
    if (this.#voucher === null || request.url !== vouchingPath) {
      const line = 'not here; this is where workers of Lockstep connect';
      return { status: 404, line, why: 'a request for a page' };
    }
    const { localAddress = '' } = this.#below.get(request.socket) ?? {};
    const answer =
      refuseSite(request.headers, plainHost(localAddress), this.#names) ?? this.#voucher.answer(request);
    return typeof answer === 'string' ? answer : { ...answer, why: answer.line };
  }

  /** What HTTP could not read, or a connection that broke. */
  #misread(error: Error, stream: Duplex): void {
    const code = codeOf(error) ?? '';
    if (!code.startsWith('HPE_')) {
      stream.destroy();
      return;
    }
    const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
    this.#refuse(stream, { status, line: `no request that can be read (${reasonOf(error)})` });
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = this.#below.get(stream);
    if (socket === undefined) {
      stream.destroy();
      return;
    }
    this.#silent.delete(socket);
    const refusal =
      refuseSite(request.headers, plainHost(socket.localAddress ?? ''), this.#names) ??
      this.#admit(request, stream, socket, head);
    if (refusal !== null) this.#refuse(stream, refusal);
  }

  /** Lets a control or a bulk connection in, or says why not. */
  #admit(request: IncomingMessage, stream: Duplex, socket: Socket, head: Buffer): Refusal | null {
    const accept: Accept = (messageBytes) => {
      const webSocket = acceptWebSocket(request, stream, head, messageBytes);
      if (typeof webSocket === 'string') return { status: 400, line: webSocket };
      this.#strangers.release(socket);
      return webSocket;
    };
    const { url, headers } = request;
    if (url === controlPath)
      return refuseToken(headers, this.#options.token) ?? this.#admitControl(stream, socket, accept);
    if (url === bulkPath) return this.#admitBulk(stream, String(headers[ticketHeader]), accept);
    // The path is not shown: who puts a token into it by mistake does not want it in a log.
    return { status: 404, line: `unknown path; expected ${controlPath} or ${bulkPath}` };
  }

  #admitControl(stream: Duplex, socket: Socket, accept: Accept): Refusal | null {
    const webSocket = accept(controlBytes);
    if ('line' in webSocket) return webSocket;
    const options = {
      address: remoteAddress(socket),
      clock: this.#clock,
      gone: () => this.#forget(arrival),
    };
    const arrival = new Arrival({ webSocket, socket: stream }, options);
    this.#arrivals.set(arrival.ticket, arrival);
    arrival.listen(this.#options.onWorker(arrival));
    return null;
  }

  #admitBulk(stream: Duplex, ticket: string, accept: Accept): Refusal | null {
    const arrival = this.#arrivals.get(ticket);
    const messageBytes = arrival?.expectedBulkBytes ?? null;
    if (arrival === undefined || messageBytes === null)
      return { status: 401, line: `no ticket that is expected; connect to ${controlPath} first` };
    const webSocket = accept(messageBytes);
    if ('line' in webSocket) return webSocket;
    arrival.addBulk({ webSocket, socket: stream });
    return null;
  }

  #forget({ ticket }: Arrival): void {
    this.#arrivals.delete(ticket);
    if (this.#arrivals.size === 0) this.#lastHasLeft();
  }

  /** Answers in one line and closes, reading no more: what a flood sends stays with who sends it. */
  #refuse(stream: Duplex, { status, line }: Refusal): void {
    if (!stream.writable) {
      stream.destroy(); // it has had its answer, or wants none
      return;
    }
    this.#note(stream, line);
    const headers = Object.entries(answerHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
    stream.on('error', () => stream.destroy());
    stream.pause();
    stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('')}\r\n${line}\n`);
    // With bytes left unread the end is a reset, which must not overtake the answer.
    const forget = this.#clock.after(answerTimeoutMs, () => stream.destroy());
    stream.once('close', forget);
  }

  #note(stream: Duplex, why: string): void {
    const socket = this.#below.get(stream) ?? (stream as Socket);
    this.#silent.delete(socket);
    this.#log.write(`${remoteAddress(socket)} refused: ${why}`);
  }

  async close(listener: Server, reason: string): Promise<void> {
    const stopped = new Promise<void>((resolve) => listener.close(() => resolve()));
    this.#silent.clear();
    this.#strangers.clear();
    if (this.#arrivals.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#lastHasLeft = resolve;
      });
      for (const arrival of this.#arrivals.values()) arrival.close(reason);
      await empty;
    }
    await stopped;
    this.#log.flush();
  }
}

const answerHeaders = {
  'Content-Type': 'text/plain; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
  'Sec-WebSocket-Protocol': subprotocol,
  Connection: 'close',
} as const;
