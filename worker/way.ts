/** Where a coordinator is, and how one connection to it is opened. */
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { quoted, usageError } from '../shared/errors.ts';
import { addressText, hostOf, isLoopback } from '../shared/wire/address.ts';
import { fingerprintOf, parseFingerprint } from '../shared/wire/fingerprint.ts';
import { openWebSocket } from '../shared/wire/websocket.ts';
import type { Connection } from '../shared/wire/websocket-link.ts';
import { explain, NotTrusted, TooLate } from './connection-errors.ts';

export class Way {
  readonly address: string;
  readonly #url: URL;
  readonly #host: string;
  readonly #port: number;
  readonly #isSecure: boolean;
  readonly #fingerprint: string | null;
  readonly #timeoutMs: number;

  /** @throws LockstepError (USAGE) */
  constructor(options: { url: string; fingerprint: string | null; isInsecure?: boolean; timeoutMs: number }) {
    this.#url = parseCoordinatorUrl(options.url, options.isInsecure ?? false);
    this.#isSecure = this.#url.protocol === 'wss:';
    this.#host = hostOf(this.#url);
    this.#port = Number(this.#url.port || (this.#isSecure ? 443 : 80)); // which the URL leaves out
    this.#fingerprint = options.fingerprint === null ? null : parseFingerprint(options.fingerprint);
    if (this.#fingerprint !== null && !this.#isSecure)
      throw usageError(
        `--fingerprint: got it with ${quoted(options.url)}, expected a URL that begins with wss://`,
      );
    this.#timeoutMs = options.timeoutMs;
    this.address = addressText(this.#host, this.#port);
  }

  /**
   * Opens one connection. Its headers, and with them a token, leave only for one that has shown the right certificate.
   * @param opened called at once when it is open, before anything can arrive
   * @throws LockstepError (CONNECTION, REFUSED)
   */
  async open<Result>(
    path: string,
    headers: Readonly<Record<string, string>>,
    messageBytes: number,
    opened: (connection: Connection) => Result,
  ): Promise<Result> {
    const socket = connectTcp({ host: this.#host, port: this.#port });
    let late: TooLate | null = null;
    const timer = setTimeout(() => {
      late = new TooLate(this.#timeoutMs);
      socket.destroy();
    }, this.#timeoutMs);
    try {
      await happens(socket, 'connect');
      const stream = this.#isSecure ? await this.#secured(socket) : socket;
      const url = new URL(path, this.#url);
      // Masks protect old proxies, which never see the inside of TLS, nor anything on loopback.
      const isMasked = !this.#isSecure && !isLoopback(this.#host);
      return await openWebSocket(stream, { url, headers, messageBytes, isMasked }, (webSocket) =>
        opened({ webSocket, socket: stream }),
      );
    } catch (cause) {
      socket.destroy();
      throw explain(this.address, late ?? cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** TLS over a connection, with the one certificate that has the fingerprint, or else one that the system trusts. */
  async #secured(socket: Socket): Promise<TLSSocket> {
    const secure = connectTls({
      socket,
      host: this.#host,
      servername: isIP(this.#host) === 0 ? this.#host : '',
      minVersion: 'TLSv1.3',
      // A certificate that is known by its fingerprint needs nobody to vouch for it; it is looked at below.
      rejectUnauthorized: this.#fingerprint === null,
    });
    try {
      await happens(secure, 'secureConnect');
    } catch (cause) {
      throw secure.authorizationError ? new NotTrusted(`${secure.authorizationError}`) : cause;
    }
    const certificate = secure.getPeerX509Certificate();
    const shown = certificate === undefined ? 'no certificate' : fingerprintOf(certificate.raw);
    if (this.#fingerprint !== null && shown !== this.#fingerprint)
      throw new NotTrusted('its certificate is another one', { got: shown, expected: this.#fingerprint });
    return secure;
  }
}

/** Waits for an event of a socket that may break or be cut before. */
async function happens(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  const stop = new AbortController();
  const cut = () => stop.abort(new Error('the connection was cut'));
  socket.once('close', cut);
  try {
    await once(socket, event, { signal: stop.signal });
  } finally {
    socket.off('close', cut);
  }
}

/** @throws LockstepError (USAGE) */
export function parseCoordinatorUrl(text: string, isInsecure: boolean): URL {
  const wrong = (expected: string) => usageError(`URL: got ${quoted(text)}, expected ${expected}`);
  const likeThis = 'the one that the coordinator printed, like wss://10.0.0.7:7077';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'ws:' && url.protocol !== 'wss:')) throw wrong(likeThis);
  // Not shown: what stands there may be a password or a token.
  if (
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.pathname !== '/'
  )
    throw usageError(
      `URL: got more than a host and a port, expected ${likeThis}; a token goes in LOCKSTEP_TOKEN`,
    );
  const host = hostOf(url);
  if (url.protocol === 'ws:' && !isLoopback(host) && !isInsecure)
    throw wrong(
      'wss:// beyond this machine; with --insecure the token and all else would travel in the open',
    );
  return url;
}
