/** A rank on a thread that exchanges by windows with others over the same memory, and looks at all that comes. */
import { workerData } from 'node:worker_threads';
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import type { RankPlace } from '../../shared/model/rank-plan.ts';
import type { Blocks } from '../../worker/mpi/calls.ts';
import { WindowCalls } from '../../worker/mpi/window-calls.ts';

export interface WindowRank {
  readonly memory: SharedMemory;
  readonly place: RankPlace;
  /** Blocks of all ranks, in the window. */
  readonly blocks: Blocks;
  /** Of one block. */
  readonly floats: number;
  readonly exchanges: number;
}

const deadlineMs = 60_000;
const napMs = 0.01;

if (workerData !== null) {
  const { memory, place, blocks, floats, exchanges }: WindowRank = workerData;
  const { rank, count } = place.ranks;
  const calls = new WindowCalls(memory, place);
  const all = new Float32Array(memory.buffer, blocks.buffer, count * floats);
  const nap = new Int32Array(new SharedArrayBuffer(4));
  const endMs = performance.now() + deadlineMs;
  const wait = (request: number) => {
    for (let look = 1; !calls.test(request); look++) {
      // Ranks may share a core.
      if (look % 200 === 0) Atomics.wait(nap, 0, 0, napMs);
      if (performance.now() > endMs) throw new Error(`rank ${rank} waited too long`);
    }
  };
  for (let i = 0; i < exchanges; i++) {
    const tellOf = (one: number) => (i * count + one) % 2 ** 20;
    all.fill(-1);
    all.fill(tellOf(rank), rank * floats, (rank + 1) * floats);
    calls.allgatherv(blocks, 8);
    // Now and then two at a time, of which the later one is waited for first.
    if (i % 2 === 1) {
      calls.alltoallv(blocks, blocks, 16);
      wait(16);
    }
    wait(8);
    for (let at = 0; at < all.length; at++) {
      const from = Math.floor(at / floats);
      if (all[at] !== tellOf(from)) {
        throw new Error(
          `rank ${rank}, exchange ${i}: got ${all[at]} of rank ${from}, expected ${tellOf(from)}`,
        );
      }
    }
  }
}
