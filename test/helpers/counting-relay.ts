/** A relay on this machine that counts what passes: bytes after the headers of HTTP, of all connections together. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountingRelay {
  readonly port: number;
  readonly up: number;
  readonly down: number;
  close(): Promise<void>;
}

/** Relays all connections to a port of this machine. */
export async function countingRelay(to: number): Promise<CountingRelay> {
  const counts = { up: 0, down: 0 };
  const open = new Set<Socket>();
  const pass = (from: Socket, into: Socket, way: 'up' | 'down') => {
    let head: string | null = '';
    from.on('data', (bytes) => {
      let count = bytes.length;
      if (head !== null) {
        const before = head.length;
        head += bytes.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        count = end < 0 ? 0 : before + bytes.length - end - 4;
        if (end >= 0) head = null;
      }
      counts[way] += count;
      into.write(bytes);
    });
    from.on('end', () => into.end());
    from.on('error', () => into.destroy());
    from.on('close', () => open.delete(from));
    open.add(from);
  };
  const server = createServer({ allowHalfOpen: true }, (worker) => {
    const coordinator = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true });
    pass(worker, coordinator, 'up');
    pass(coordinator, worker, 'down');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get up() {
      return counts.up;
    },
    get down() {
      return counts.down;
    },
    close: async () => {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
}
