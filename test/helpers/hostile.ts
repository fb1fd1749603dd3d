/**
 * A process of hostile sockets. `node hostile.js PORT TOKEN`: keeps 200 sockets of all kinds on a port of loopback, at
 * most 500 new ones a second, until its parent ends it; says every 100 ms how many of each kind it has opened and lost.
 */
import { connect, type Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { controlPath } from '../../shared/wire/credentials.ts';

export const hostileSockets = 200;
export const opensPerSecond = 500;

export interface HostileReport {
  readonly opened: number;
  readonly lost: number;
  readonly bytes: number;
}

const garbage = Buffer.alloc(65_536, 0xa5);
const upgrade = (token: string) =>
  [
    `GET ${controlPath} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
    `Authorization: Bearer ${token}`,
    '\r\n',
  ].join('\r\n');

/** Writes as much as the other end takes. */
function flood(socket: Socket): void {
  const more = (): void => {
    while (socket.writable && socket.write(garbage));
  };
  socket.on('drain', more);
  more();
}

/** What a socket does once it is connected. */
const kinds: readonly ((socket: Socket, token: string) => void)[] = [
  function saysNothing() {},
  function drips(socket) {
    const bytes = upgrade('x');
    let at = 0;
    const timer = setInterval(() => socket.write(bytes[at++ % bytes.length]), 20);
    socket.once('close', () => clearInterval(timer));
  },
  flood,
  function sendsEndlessHeaders(socket) {
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ');
    flood(socket);
  },
  function guessesTheToken(socket) {
    socket.write(upgrade('a-guess-at-the-token'));
    flood(socket);
  },
  function hasTheTokenAndSendsTooMuch(socket, token) {
    socket.write(upgrade(token));
    socket.write(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0)); // a message of 2 GiB
    flood(socket);
  },
];

function attack(port: number, token: string): void {
  setPriority(constants.priority.PRIORITY_LOW);
  const report = { opened: 0, lost: 0, bytes: 0 };
  let open = 0;
  setInterval(() => {
    for (let i = 0; i < opensPerSecond / 50 && open < hostileSockets; i++) {
      const kind = kinds[report.opened++ % kinds.length];
      open++;
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {}); // to be cut is its fate
      socket.once('connect', () => kind(socket, token));
      socket.once('close', () => {
        open--;
        report.lost++;
        report.bytes += socket.bytesWritten;
      });
      socket.resume();
    }
  }, 20);
  setInterval(() => process.send?.(report), 100);
  process.once('disconnect', () => process.exit());
}

if (process.send !== undefined && process.argv.length === 4) attack(Number(process.argv[2]), process.argv[3]);
