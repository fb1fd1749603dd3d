/** WebSockets under the limits of the wire. The only file that knows the package. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { closeTimeoutMs, controlBytes, leastChunkBytes, mostFragments } from './limits.ts';

export type { WebSocket };

/** Longest answer that is read from whatever refuses an upgrade. */
const answerBytes = 1_024;

/** Said in the upgrade and in every answer, so that a worker knows a coordinator from whatever else may listen there. */
export const subprotocol = 'lockstep';

/** The package's own defaults would let one connection hold 100 MB. */
function limitsFor(messageBytes: number) {
  return {
    maxPayload: messageBytes,
    maxFragments: mostFragments,
    // Control messages may come byte by byte; each piece costs some hundred bytes until the message is whole.
    maxBufferedChunks: Math.max(controlBytes, Math.ceil(messageBytes / leastChunkBytes)),
    perMessageDeflate: false,
    closeTimeout: closeTimeoutMs,
  };
}

/**
 * Answers an upgrade request with a WebSocket that takes messages of at most so many bytes. Returns what is wrong with
 * the request, in words, when it is none for a WebSocket; the answer is the caller's then.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  messageBytes: number,
): WebSocket | string {
  let result: WebSocket | string = 'the connection is gone';
  // Limits belong to this object, so each connection that has its own gets one; without clientTracking it keeps nothing.
  const upgrades = new WebSocketServer({
    ...limitsFor(messageBytes),
    noServer: true,
    clientTracking: false,
  });
  upgrades.on('wsClientError', (error) => {
    result = error.message;
  });
  upgrades.handleUpgrade(request, socket, head, (webSocket) => {
    result = webSocket;
  });
  return result;
}

/** What answered an upgrade request with something else than an upgrade. */
export class UpgradeRefused extends Error {
  readonly status: number;
  /** Whether it was a coordinator of Lockstep. */
  readonly isOurs: boolean;

  /** @param line the first line of the answer */
  constructor(status: number, isOurs: boolean, line: string) {
    super(line);
    this.status = status;
    this.isOurs = isOurs;
  }
}

/**
 * Asks for an upgrade over a connected socket, which belongs to the WebSocket from then on.
 * @param isMasked false spares the work of RFC 6455's masks, which protect old proxies: for loopback or inside TLS
 * @param opened called at once, before any message can arrive
 * @throws UpgradeRefused, or the error of the socket; the socket is destroyed then
 */
export function openWebSocket<Result>(
  socket: Duplex,
  options: {
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly messageBytes: number;
    readonly isMasked: boolean;
  },
  opened: (webSocket: WebSocket) => Result,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const webSocket = new WebSocket(options.url, subprotocol, {
      ...limitsFor(options.messageBytes),
      ...(options.isMasked ? {} : { generateMask: (mask: Buffer) => mask.fill(0) }),
      headers: options.headers,
      // The declared type is that of net.connect; what is used is a function that returns a stream.
      createConnection: (() => socket) as never,
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    webSocket.once('error', fail);
    webSocket.once('unexpected-response', (_, response) => {
      readAnswer(response).then(fail, fail);
    });
    webSocket.once('open', () => {
      webSocket.off('error', fail);
      resolve(opened(webSocket));
    });
  });
}

/** Reads the start of an answer; however it ends, what came until then is the answer. */
function readAnswer(response: IncomingMessage): Promise<UpgradeRefused> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => {
      const line = text.slice(0, answerBytes).split(/[\r\n]/, 1)[0];
      const isOurs = response.headers['sec-websocket-protocol'] === subprotocol;
      resolve(new UpgradeRefused(response.statusCode ?? 0, isOurs, line));
    };
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      text += piece;
      if (text.length >= answerBytes) done();
    });
    response.once('close', done);
    response.once('error', done);
  });
}
