/** The exchange of a gradient of some size as a team of one thread makes it, without the training around it. */

import { LockstepError } from '../../shared/errors.ts';
import { stackBytes } from '../../shared/kernels/kernels.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { instantiateKernels } from '../../shared/kernels/load.ts';
import { type SharedMemory, wasm } from '../../shared/kernels/webassembly.ts';
import { redistributionOf } from '../../shared/model/rank-plan.ts';
import type { RankOf } from '../../shared/reduction/ranks.ts';
import { newSpan, type Span } from '../../shared/reduction/span.ts';
import { bindMpi, type RankCalls } from '../../worker/mpi/calls.ts';
import { waitFor } from '../../worker/mpi/rank-wait.ts';
import { listsOf, planSlices, requestsOf, type SliceChunk, Tables } from '../../worker/mpi/slices.ts';

export interface RankExchangeOptions {
  /** Of MPI. */
  readonly file: string;
  readonly ranks: RankOf;
  readonly kernels: LoadedKernels;
  /** Of the gradient, a multiple of 16. */
  readonly floats: number;
  /** False where ranks share cores. */
  readonly spins: boolean;
  readonly deadlineMs: number;
}

/** Seconds of some exchanges. */
export interface Times {
  readonly seconds: number;
  readonly mergeSeconds: number;
}

const pageBytes = 65_536;
const lineBytes = 64;
/** More than a team's control words. */
const controlBytes = 256;

export class RankExchange {
  /** Runs of the gradient that travel one behind the other. */
  readonly chunks: number;
  readonly #calls: RankCalls;
  readonly #memory: SharedMemory;
  readonly #options: RankExchangeOptions;
  readonly #planned: readonly SliceChunk[];
  readonly #control: Int32Array;
  readonly #below: number;
  readonly #total: number;
  /** All shards are of one size. */
  readonly #span: Span;

  constructor(options: RankExchangeOptions) {
    const { ranks, floats, kernels, file } = options;
    this.#options = options;
    const gradient = { floats, moments: [] };
    // One shard a rank, so one node of the tree.
    const shardCount = ranks.count;
    const redistribution = redistributionOf({ ranks, gradient }, shardCount);
    let end = 0;
    const take = (bytes: number) => {
      const at = end;
      end += Math.ceil(bytes / lineBytes) * lineBytes;
      return at;
    };
    const control = take(controlBytes);
    const stack = take(stackBytes);
    const tableBytes = 8 * ranks.count * listsOf(redistribution);
    const tables = take(tableBytes);
    const requests = take(8 * requestsOf(redistribution));
    // Never so near to 0 that float 0 of a slice's vector would lie below.
    take(4 * floats);
    // See planRanks for why it is never nothing.
    this.#below = take(Math.max(1, redistribution.belowBytes));
    const total = take(4 * floats);
    this.#total = total;
    const above = take(redistribution.aboveBytes);
    const pages = Math.ceil(end / pageBytes);
    this.#memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    this.#control = new Int32Array(this.#memory.buffer, control, controlBytes / 4);
    this.#calls = bindMpi(file, this.#memory);
    this.#span = { ...newSpan(1), rows: shardCount, shardCount };
    this.#planned = planSlices(
      redistribution,
      { ranks, below: this.#below, above, vectors: [total], total, seen: null, requests },
      {
        kernels: instantiateKernels(kernels, this.#memory),
        stack,
        layout: gradient,
        gathered: floats,
        shardCount,
        thread: 0,
        threads: 1,
      },
      new Tables(this.#memory, tables, tableBytes),
    );
    this.chunks = this.#planned.length;
  }

  /** Makes so many exchanges, one right after the other; ranks wait for each other in each. */
  run(count: number): Times {
    let mergeMs = 0;
    const startMs = performance.now();
    for (let i = 0; i < count; i++) mergeMs += this.#exchange();
    return { seconds: (performance.now() - startMs) / 1000, mergeSeconds: mergeMs / 1000 };
  }

  /**
   * Exchanges once what only each rank knows: its number.
   * @throws Error where the total is another than the sum
   */
  check(): void {
    const { ranks, floats } = this.#options;
    const { buffer } = this.#memory;
    new Float32Array(buffer, this.#total, floats).fill(ranks.rank + 1);
    this.#exchange();
    const total = new Float32Array(buffer, this.#total, floats);
    const expected = (ranks.count * (ranks.count + 1)) / 2;
    const wrong = total.findIndex((value) => value !== expected);
    if (wrong >= 0) throw new Error(`float ${wrong} of ${floats}: got ${total[wrong]}, expected ${expected}`);
    // What is not sent is merged again and again.
    new Float32Array(buffer, this.#below).fill(0);
  }

  /** As the group of a team does it. @returns the milliseconds of merging */
  #exchange(): number {
    const calls = this.#options.ranks.count === 1 ? null : this.#calls;
    let mergeMs = 0;
    for (const { crossings } of this.#planned) {
      for (const { send, receive, request } of crossings) calls?.alltoallv(send, receive, request);
    }
    for (const { crossings, merger, back, backRequest } of this.#planned) {
      for (const { request } of crossings) if (calls !== null) this.#wait(request, 'to the owners of slices');
      const startMs = performance.now();
      merger.merge(this.#span, this.#total);
      mergeMs += performance.now() - startMs;
      calls?.allgatherv({ ...back, buffer: this.#total }, backRequest);
    }
    for (const { backRequest } of this.#planned) if (calls !== null) this.#wait(backRequest, 'back to all');
    return mergeMs;
  }

  /** @throws LockstepError (MPI) where it takes too long */
  #wait(request: number, where: string): void {
    const { ranks, floats, deadlineMs, spins } = this.#options;
    const how = { words: this.#control, deadlineMs, spins, alive: () => {} };
    if (waitFor(() => this.#calls.test(request), how)) return;
    throw new LockstepError(
      'MPI',
      `rank ${ranks.rank} of ${ranks.count} waited ${deadlineMs} ms for ${4 * floats} bytes ${where}; another one is gone or hangs`,
    );
  }
}
