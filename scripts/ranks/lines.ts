/** Lines of JSON over a socket between a program and the ranks that it had started. */
import type { Socket } from 'node:net';

/** More without an end is no line of ours. */
const longestLine = 2 ** 20;

/** Hands over every line that comes; what is too long ends the connection. */
export function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine) socket.destroy();
    else for (const line of lines) take(line);
  });
}

export function sendLine(socket: Socket, message: object): void {
  socket.write(`${JSON.stringify(message)}\n`);
}
