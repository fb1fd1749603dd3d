/** The ways to train a recipe that must all come to the same bits. */
import type { KernelSet } from '../../shared/kernels/load.ts';

/** A worker process of a way. */
export interface WorkerWay {
  readonly threads: number;
  readonly kernels: string;
}

/** What happens in the middle of a run. */
export type Trouble = 'none' | 'worker killed' | 'stopped and resumed' | 'killed and resumed';

export interface Way {
  readonly name: string;
  /** Threads of the process that trains or coordinates. */
  readonly threads: number;
  readonly kernels: string;
  readonly workers: readonly WorkerWay[];
  readonly trouble: Trouble;
}

export interface WaysOptions {
  /** The sets that can run here, the fastest first. */
  readonly sets: readonly KernelSet[];
  /** Whether the run is so short that the slowest kernels will do, and are needed where something is to happen in it. */
  readonly isShort: boolean;
}

/** The ways that a machine with these kernels can go; the first is the one that the others are compared with. */
export function waysOf({ sets, isShort }: WaysOptions): Way[] {
  const fastest = sets[0] ?? 'exact';
  // Something that is to happen in the middle of a run needs a middle.
  const slow = isShort ? 'exact' : fastest;
  const usable = sets.filter((set) => isShort || set !== 'exact');
  const local = (threads: number, kernels: string): Way => ({
    name: `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    threads,
    kernels,
    workers: [],
    trouble: 'none',
  });
  const remote = (name: string, threads: readonly number[], own = 0): Way => ({
    name,
    threads: own,
    kernels: fastest,
    workers: threads.map((count, i) => ({ threads: count, kernels: usable[i % usable.length] })),
    trouble: 'none',
  });
  return [
    local(1, fastest),
    ...usable.slice(1).map((set) => local(set === 'exact' ? 2 : 1, set)),
    ...[2, 3, 8].map((threads) => local(threads, fastest)),
    remote('1 worker', [1]),
    remote('3 workers (1, 2, 1 threads)', [1, 2, 1]),
    remote('1 thread and 2 workers', [1, 1], 1),
    {
      ...remote('a worker killed, another comes', [1, 1, 1]),
      workers: [1, 1, 1].map((threads) => ({ threads, kernels: slow })),
      trouble: 'worker killed',
    },
    { ...local(1, slow), name: 'stopped, resumed on 2 threads', trouble: 'stopped and resumed' },
    { ...local(2, slow), name: 'killed, resumed with 2 workers', trouble: 'killed and resumed' },
  ];
}
