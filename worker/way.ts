/** Where a coordinator is, and how one connection to it is opened. */
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { quoted, usageError } from '../shared/errors.ts';
import { addressText, hostOf, isLoopback } from '../shared/wire/address.ts';
import { fingerprintOf, parseFingerprint } from '../shared/wire/fingerprint.ts';
import { canVouch, VouchingKey } from '../shared/wire/vouching.ts';
import { openWebSocket } from '../shared/wire/websocket.ts';
import type { Connection } from '../shared/wire/websocket-link.ts';
import { explain, NotTrusted, TooLate } from './connection-errors.ts';
import { vouchFor } from './vouching.ts';

export class Way {
  readonly address: string;
  readonly #url: URL;
  readonly #host: string;
  readonly #port: number;
  readonly #isSecure: boolean;
  /** Of a token that can vouch for a certificate. */
  readonly #key: VouchingKey | null;
  /** Of the one certificate that is trusted: told by the user, or the one that the token has vouched for. */
  #fingerprint: string | null;
  readonly #timeoutMs: number;

  /**
   * @param options.token what may vouch for a certificate that neither a fingerprint nor the system does; it is not sent
   * @throws LockstepError (USAGE)
   */
  constructor(options: {
    readonly url: string;
    readonly fingerprint: string | null;
    readonly token?: string;
    readonly isInsecure?: boolean;
    readonly timeoutMs: number;
  }) {
    this.#url = parseCoordinatorUrl(options.url, options.isInsecure ?? false);
    this.#isSecure = this.#url.protocol === 'wss:';
    this.#host = hostOf(this.#url);
    this.#port = Number(this.#url.port || (this.#isSecure ? 443 : 80)); // which the URL leaves out
    this.#fingerprint = options.fingerprint === null ? null : parseFingerprint(options.fingerprint);
    if (this.#fingerprint !== null && !this.#isSecure)
      throw usageError(
        `--fingerprint: got it with ${quoted(options.url)}, expected a URL that begins with wss://`,
      );
    const { token } = options;
    this.#key = token !== undefined && canVouch(token) ? new VouchingKey(token) : null;
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
    const url = new URL(path, this.#url);
    // Masks protect old proxies, which never see the inside of TLS, nor anything on loopback.
    const isMasked = !this.#isSecure && !isLoopback(this.#host);
    let result: { readonly value: Result } | null = null;
    // Where the token has to vouch for the certificate, a connection is for that alone; the next one knows it.
    while (result === null) {
      result = await this.#withStream(async (stream) => {
        if (this.#isSecure && !this.#knows(stream)) return this.#getToKnow(stream);
        return openWebSocket(stream, { url, headers, messageBytes, isMasked }, (webSocket) => ({
          value: opened({ webSocket, socket: stream }),
        }));
      });
    }
    return result.value;
  }

  /** A connection, under TLS if need be; whatever fails before the deadline or at it destroys it, and is explained. */
  async #withStream<Result>(use: (stream: Socket) => Promise<Result>): Promise<Result> {
    const socket = connectTcp({ host: this.#host, port: this.#port });
    let late: TooLate | null = null;
    const timer = setTimeout(() => {
      late = new TooLate(this.#timeoutMs);
      socket.destroy();
    }, this.#timeoutMs);
    try {
      await happens(socket, 'connect');
      return await use(this.#isSecure ? await this.#secured(socket) : socket);
    } catch (cause) {
      socket.destroy();
      throw explain(this.address, late ?? cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** TLS over a connection, with any certificate where something here can tell whether it is the right one. */
  async #secured(socket: Socket): Promise<TLSSocket> {
    const secure = connectTls({
      socket,
      host: this.#host,
      servername: isIP(this.#host) === 0 ? this.#host : '',
      minVersion: 'TLSv1.3',
      // A certificate that is known by its fingerprint, or for which the token vouches, needs nobody else to.
      rejectUnauthorized: this.#fingerprint === null && this.#key === null,
    });
    try {
      await happens(secure, 'secureConnect');
    } catch (cause) {
      throw secure.authorizationError ? new NotTrusted(`${secure.authorizationError}`) : cause;
    }
    return secure;
  }

  /** Whether a connection's certificate is trusted by now. @throws NotTrusted where it is not the one that is expected */
  #knows(stream: Socket): boolean {
    if (!(stream instanceof TLSSocket)) return false;
    if (this.#fingerprint === null) return stream.authorized;
    const shown = shownFingerprint(stream);
    if (shown === this.#fingerprint) return true;
    throw new NotTrusted('its certificate is another one', { got: shown, expected: this.#fingerprint });
  }

  /** Lets the token vouch for the certificate of a connection, which is trusted from then on, and ends the connection. */
  async #getToKnow(stream: Socket): Promise<null> {
    if (!(stream instanceof TLSSocket) || this.#key === null) throw new Error('nobody can vouch');
    const shown = shownFingerprint(stream);
    await vouchFor(stream, shown, this.#url.host, this.#key);
    this.#fingerprint = shown;
    stream.destroy();
    return null;
  }
}

function shownFingerprint(secure: TLSSocket): string {
  const certificate = secure.getPeerX509Certificate();
  return certificate === undefined ? 'no certificate' : fingerprintOf(certificate.raw);
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
