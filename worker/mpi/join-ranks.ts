/** How a thread of a team becomes one of a job of ranks. */
import { availableParallelism } from 'node:os';
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import { rankPlaceOf } from '../../shared/model/rank-plan.ts';
import { type Share, shareOf } from '../../shared/reduction/ranks.ts';
import { wholeBatch } from '../../shared/reduction/span.ts';
import type { Setup, Training } from '../../shared/training.ts';
import { Control } from '../control.ts';
import { bindMpi } from './calls.ts';
import { RankGroup, type RankProgress } from './rank-group.ts';
import { WindowCalls } from './window-calls.ts';

export interface MpiOptions {
  /** The library, which the main thread has initialised. */
  readonly file: string;
  /** Others that have not come to an exchange after so long are missing. */
  readonly deadlineMs: number;
  /** Cores of this machine that are for this rank; with more threads than these nobody spins. */
  readonly cores: number;
  /** Whether the windows of all ranks are open. */
  readonly hasWindows: boolean;
}

/** The shards that the threads of a setup compute. */
export function sharesOf({ sizes: { ranks } }: Setup): (shardCount: number) => Share {
  return ranks === undefined ? wholeBatch : (shardCount) => shareOf(shardCount, ranks);
}

/** The group of a thread; thread 0 makes the exchanges. */
export function joinRanks(
  { memory, rank: thread }: { readonly memory: SharedMemory; readonly rank: number },
  { file, deadlineMs, cores, hasWindows }: MpiOptions,
  training: Training,
  progress: RankProgress,
  barrier: () => void,
): RankGroup {
  const threads = training.sizes.threads;
  const { words } = new Control(memory, training.plan);
  const place = rankPlaceOf(training.plan);
  const callsOf = () => (hasWindows ? new WindowCalls(memory, place) : bindMpi(file, memory));
  return new RankGroup({
    training,
    memory,
    place,
    hasWindows,
    thread,
    threads,
    calls: thread === 0 ? callsOf() : null,
    wait: { words, deadlineMs, spins: threads <= cores },
    progress,
    barrier,
  });
}

/** The cores that a rank has for itself, where so many threads of all ranks share this machine. */
export function coresOfRank(threads: number, threadsHere: number, coresHere: number): number {
  const own = Math.min(availableParallelism(), coresHere);
  return threadsHere <= coresHere ? own : Math.min(own, threads - 1);
}
