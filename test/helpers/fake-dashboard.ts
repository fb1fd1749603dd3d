/** A stand-in for the coordinator's dashboard: it serves the built page, and tells it what a test wants it to. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FeedMessage } from '../../coordinator/dashboard/feed.ts';

/** This file runs from dist/test/helpers. */
const folder = new URL('../../coordinator/dashboard/page/', import.meta.url);

/** By path: file and type. */
export const servedFiles: ReadonlyMap<string, readonly [name: string, type: string]> = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/draw', ['draw.html', 'text/html; charset=utf-8']],
  ['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
  ['/draw.js', ['draw.js', 'text/javascript; charset=utf-8']],
  ['/page.css', ['page.css', 'text/css; charset=utf-8']],
  ['/kernels.wasm', ['kernels.wasm', 'application/wasm']],
  ['/icon.svg', ['icon.svg', 'image/svg+xml']],
]);

export function readServed(name: string): Buffer {
  return readFileSync(new URL(name, folder));
}

function headersFor(path: string): Record<string, string> {
  const scripts = path === '/draw' ? "'self' 'wasm-unsafe-eval'" : "'self'";
  return {
    'Content-Security-Policy':
      `default-src 'none'; script-src ${scripts}; style-src 'self'; img-src 'self' data:; connect-src 'self'; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  };
}

export class FakeDashboard {
  /** What every new reader is told first. */
  opening: readonly FeedMessage[];
  model: { readonly steps: number; readonly flat: Float32Array } | null = null;
  /** What `/examples` answers, by `label,prediction`. */
  readonly examples = new Map<string, unknown>();
  /** Paths that cannot be answered just now, and the line that says why. */
  readonly refusals = new Map<string, string>();
  /** Paths that were asked for, in order, queries left out. */
  readonly requests: string[] = [];
  readonly #token: string | null;
  readonly #readers = new Set<ServerResponse>();
  #listener: Server;
  #port = 0;

  constructor(opening: readonly FeedMessage[], token: string | null = null) {
    this.opening = opening;
    this.#token = token;
    this.#listener = this.#newListener();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Listens at a free port, or again at the one that it had. */
  async open(): Promise<void> {
    this.#listener.listen(this.#port, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  /** Cuts all connections and stops listening. */
  async close(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.#listener.closeAllConnections();
    await closed;
    this.#listener = this.#newListener();
  }

  tell(...messages: readonly FeedMessage[]): void {
    this.write(textOf(messages));
  }

  /** Writes what need not be a message. */
  write(text: string): void {
    for (const reader of this.#readers) reader.write(text);
  }

  /** Waits until a reader has gone. */
  async nextLeave(): Promise<void> {
    const [reader] = this.#readers;
    if (reader !== undefined) await once(reader, 'close');
  }

  /** Ends all answers. */
  end(): void {
    for (const reader of this.#readers) reader.end();
  }

  #newListener(): Server {
    return createServer((request, response) => this.#answer(request, response));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://local');
    this.requests.push(pathname);
    const file = servedFiles.get(pathname);
    const headers = headersFor(pathname);
    const refusal = this.refusals.get(pathname);
    if (refusal !== undefined) {
      response.writeHead(503, { ...headers, 'Retry-After': '1' }).end(`${refusal}\n`);
    } else if (file !== undefined) {
      response.writeHead(200, { ...headers, 'Content-Type': file[1] }).end(readServed(file[0]));
    } else if (this.#token !== null && request.headers.authorization !== `Bearer ${this.#token}`) {
      response.writeHead(401, headers).end('no token\n');
    } else if (pathname === '/live') {
      response.writeHead(200, { ...headers, 'Content-Type': 'application/x-ndjson' });
      response.write(textOf(this.opening));
      this.#readers.add(response);
      response.once('close', () => this.#readers.delete(response));
    } else if (pathname === '/model' && this.model !== null) {
      const { steps, flat } = this.model;
      response.writeHead(200, { ...headers, 'X-Lockstep-Steps': String(steps) });
      response.end(Buffer.from(flat.buffer, flat.byteOffset, flat.byteLength));
    } else if (pathname === '/examples') {
      const key = `${searchParams.get('label')},${searchParams.get('prediction')}`;
      response.writeHead(200, { ...headers, 'Content-Type': 'application/json' });
      response.end(JSON.stringify(this.examples.get(key) ?? { epoch: 1, step: 1, count: 0, samples: [] }));
    } else {
      response.writeHead(pathname === '/model' ? 503 : 404, headers).end('not here\n');
    }
  }
}

function textOf(messages: readonly FeedMessage[]): string {
  return messages.map((message) => `${JSON.stringify(message)}\n`).join('');
}
