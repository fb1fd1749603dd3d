/** Ranks of one command line, as launchers start them: each a process of its own. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Finished, lockstep } from './cli.ts';

export interface RankOptions {
  readonly cwd: string;
  readonly size: number;
  readonly port: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Rank {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts one rank with the variables that torchrun sets. */
export function startRank(rank: number, args: readonly string[], options: RankOptions): Rank {
  const { cwd, size, port, environment = {} } = options;
  let started: ChildProcess | null = null;
  const finished = lockstep(args, {
    cwd,
    environment: {
      RANK: String(rank),
      WORLD_SIZE: String(size),
      LOCAL_RANK: String(rank),
      LOCAL_WORLD_SIZE: String(size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
      ...environment,
    },
    during: (child) => {
      started = child;
    },
  });
  if (started === null) throw new Error('no process was started');
  return { child: started, finished };
}

/** Starts all ranks with the same arguments. */
export function startRanks(args: readonly string[], options: RankOptions): Rank[] {
  return Array.from({ length: options.size }, (_, rank) => startRank(rank, args, options));
}

/** A port that nobody listened on a moment ago; ranks have to know it before there is a listener. */
export async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  return port;
}
