/**
 * The dashboard's own port: a fixed table of paths that are only read. It shares nothing with the door of the workers but
 * the rules of who may come in.
 */
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { Socket } from 'node:net';
import { reasonOf } from '../../shared/errors.ts';
import { type ListenAddress, plainHost } from '../../shared/wire/address.ts';
import { headersBytes, headersTimeoutMs } from '../../shared/wire/limits.ts';
import { type Clock, systemClock } from '../../shared/wire/link.ts';
import { type Refusal, refuseSite, refuseToken, viewingTokenOf } from '../admission.ts';
import { dnsNamesOf } from '../certificate.ts';
import { listenAt } from '../listen.ts';
import { ownNames } from '../own-names.ts';
import { answerLine } from './answers.ts';
import type { Dashboard } from './dashboard.ts';
import { PageFiles, pageFiles } from './page-files.ts';
import { type Answer, dataRoutes, openRoutes } from './routes.ts';
import { Visitors } from './visitors.ts';

export interface SiteOptions {
  readonly listen: ListenAddress;
  /** The flag that says where to listen, for errors. */
  readonly label: string;
  /** True to take any port where this one is taken. */
  readonly orAnyPort: boolean;
  /** The workers' token; readers of data show it or what is made of it (admission.ts). Null where nobody else can reach the port. */
  readonly token: string | null;
  /** PEM texts, or null for no TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** What this machine is called besides its addresses, its own names and those of its certificate. */
  readonly names?: readonly string[];
  readonly dashboard: Dashboard;
  readonly files?: PageFiles;
  readonly clock?: Clock;
  /** Who takes nothing of what it is sent for so long is cut, at the latest after twice the time. */
  readonly stalledMs?: number;
}

export interface Site {
  readonly port: number;
  /**
   * Stops listening and returns when nothing is left open, at most a second later. Where somebody looked until the run
   * was over, it first answers for half a second more, so that they can fetch the last model.
   */
  close(): Promise<void>;
}

export const stalledTimeoutMs = 10_000;
export const idleTimeoutMs = 5_000;
/** For readers to take the last that they are told. */
export const closeDeadlineMs = 1_000;
/** For pages to fetch the model with which the run ended. */
export const lastRequestsMs = 500;

/**
 * Opens the port.
 * @throws LockstepError (CONNECTION) when it cannot be had
 */
export async function openSite(options: SiteOptions): Promise<Site> {
  const { listen, label, orAnyPort } = options;
  const keeper = new SiteKeeper(options);
  const port = await listenAt(keeper.listener, listen, { label, orAnyPort });
  return { port, close: () => keeper.close() };
}

class SiteKeeper {
  readonly listener: Server;
  readonly #options: SiteOptions;
  readonly #names: ReadonlySet<string>;
  readonly #files: PageFiles;
  readonly #data: ReadonlyMap<string, Answer>;
  readonly #open: ReadonlyMap<string, Answer>;
  readonly #visitors = new Visitors();
  /** Connections with a request that is not answered yet. */
  readonly #busy = new WeakSet<Socket>();
  #closing: Promise<void> | null = null;

  constructor(options: SiteOptions) {
    const { listen, tls, names = [], dashboard, files = new PageFiles(), clock = systemClock } = options;
    this.#options = options;
    const known = [listen.host, ...ownNames(), ...(tls === null ? [] : dnsNamesOf(tls.cert)), ...names];
    this.#names = new Set(known.map((name) => name.toLowerCase()));
    this.#files = files;
    this.#data = dataRoutes(dashboard, (socket) => this.#visitors.keep(socket), clock);
    this.#open = openRoutes(dashboard);
    this.listener = newListener(options);
    this.listener.on('connection', (socket) => this.#visitors.add(socket));
    this.listener.on('secureConnection', (socket) => this.#visitors.add(socket));
    this.listener.on('request', (request, response) => this.#answer(request, response));
    this.listener.on('clientError', (error, socket) => misread(error, socket as Socket));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#busy.has(socket)) {
      socket.destroy(); // no browser asks again before it has its answer; answers in a queue would cost memory
      return;
    }
    this.#busy.add(socket);
    response.once('close', () => this.#busy.delete(socket));
    this.#visitors.refresh(socket);
    const path = request.url?.split('?', 1)[0] ?? '';
    const file = pageFiles.get(path);
    const data = this.#data.get(path);
    const answer = data ?? this.#open.get(path);
    const refusal = this.#refuse(request, data !== undefined, file !== undefined || answer !== undefined);
    if (refusal !== null) refuse(response, refusal);
    else if (file !== undefined) this.#files.answer(request, response, file);
    else answer?.(request, response);
  }

  #refuse(
    { headers, method, socket }: IncomingMessage,
    isData: boolean,
    isKnown: boolean,
  ): SiteRefusal | null {
    const site = refuseSite(headers, plainHost(socket.localAddress ?? ''), this.#names);
    if (site !== null) return site;
    if (method !== 'GET' && method !== 'HEAD')
      return { status: 405, line: 'this page is only read; expected GET or HEAD' };
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
      return { status: 400, line: 'got a request with a body, expected none' };
    if (!isKnown) return { status: 404, line: 'not here; the page is at /' };
    if (!isData) return null;
    // A page of a stranger's may have images of ours loaded, which come without an Origin.
    const from = headers['sec-fetch-site'];
    if (from !== undefined && from !== 'same-origin' && from !== 'none')
      return { status: 403, line: 'asked for by another site; open the page itself' };
    const { token } = this.#options;
    if (token === null) return null;
    const refusal = refuseToken(headers, viewingTokenOf(token), token);
    if (refusal === null) return null;
    const got = headers.authorization === undefined ? 'no token' : 'wrong token';
    return { ...refusal, line: `${got}; open the link that the coordinator printed` };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock = systemClock, dashboard } = this.#options;
    if (dashboard.hadReaders) await new Promise<void>((resolve) => clock.after(lastRequestsMs, resolve));
    const closed = new Promise<void>((resolve) => this.listener.close(() => resolve()));
    this.listener.closeIdleConnections();
    const stop = clock.after(closeDeadlineMs, () => this.#visitors.clear());
    await closed;
    stop();
  }
}

type SiteRefusal = Pick<Refusal, 'line'> & { readonly status: Refusal['status'] | 405 };

function refuse(response: ServerResponse, { status, line }: SiteRefusal): void {
  answerLine(response, status, line, {
    Connection: 'close',
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  });
}

function newListener({ tls, stalledMs = stalledTimeoutMs }: SiteOptions): Server {
  const limits: ServerOptions = {
    maxHeaderSize: headersBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: headersTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    connectionsCheckingInterval: 1_000,
  };
  const listener =
    tls === null
      ? createHttp(limits)
      : createHttps({
          ...limits,
          cert: tls.cert,
          key: tls.key,
          minVersion: 'TLSv1.3',
          handshakeTimeout: headersTimeoutMs,
        });
  listener.timeout = stalledMs;
  return listener;
}

/** What HTTP could not read, or a connection that broke or was too slow. */
function misread(error: Error & { readonly code?: string }, socket: Socket): void {
  const isUnreadable = error.code?.startsWith('HPE_') === true;
  if (!isUnreadable || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const line = `no request that can be read (${reasonOf(error)})`;
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${line}\n`, () =>
    socket.destroy(),
  );
}
