/** The exchange of a gradient of some size as a team of one thread makes it, without the training around it. */

import { LockstepError } from '../../shared/errors.ts';
import { stackBytes } from '../../shared/kernels/kernels.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { instantiateKernels } from '../../shared/kernels/load.ts';
import { type SharedMemory, wasm } from '../../shared/kernels/webassembly.ts';
import { redistributionOf } from '../../shared/model/rank-plan.ts';
import type { RankOf } from '../../shared/reduction/ranks.ts';
import type { BlockList } from '../../shared/reduction/redistribution.ts';
import { newSpan, type Span } from '../../shared/reduction/span.ts';
import { type Blocks, bindMpi, type MpiCalls } from '../../worker/mpi/calls.ts';
import { waitFor } from '../../worker/mpi/rank-wait.ts';
import { partOfSlice, SliceMerger } from '../../worker/mpi/slice-merger.ts';

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

interface PlannedChunk {
  readonly send: Blocks;
  readonly receive: Blocks;
  readonly back: Blocks;
  readonly requests: { readonly there: number; readonly back: number };
  readonly merger: SliceMerger;
}

const pageBytes = 65_536;
const lineBytes = 64;
/** More than a team's control words. */
const controlBytes = 256;

export class RankExchange {
  /** Runs of the gradient that travel one behind the other. */
  readonly chunks: number;
  readonly #calls: MpiCalls;
  readonly #memory: SharedMemory;
  readonly #options: RankExchangeOptions;
  readonly #planned: readonly PlannedChunk[];
  readonly #control: Int32Array;
  readonly #outbox: number;
  readonly #inbox: number;
  readonly #total: number;
  /** All shards are of one size. */
  readonly #span: Span;

  constructor(options: RankExchangeOptions) {
    const { ranks, floats, kernels, file } = options;
    this.#options = options;
    const gradient = { floats, moments: [] };
    // One shard a rank, so one node of the tree.
    const shardCount = ranks.count;
    const { chunks, nodes, outboxBytes, inboxBytes } = redistributionOf({ ranks, gradient }, shardCount);
    let end = 0;
    const take = (bytes: number) => {
      const at = end;
      end += Math.ceil(bytes / lineBytes) * lineBytes;
      return at;
    };
    const control = take(controlBytes);
    const stack = take(stackBytes);
    const tables = take(24 * ranks.count * chunks.length);
    const requests = take(16 * chunks.length);
    // Never so near to 0 that float 0 of a slice's vector would lie below.
    this.#total = take(4 * floats);
    this.#inbox = take(inboxBytes);
    this.#outbox = take(outboxBytes);
    const pages = Math.ceil(end / pageBytes);
    this.#memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    this.#control = new Int32Array(this.#memory.buffer, control, controlBytes / 4);
    this.#calls = bindMpi(file, this.#memory);
    this.#span = { ...newSpan(1), rows: shardCount, shardCount };
    const merging = { kernels: instantiateKernels(kernels, this.#memory), stack };
    const integers = new Int32Array(this.#memory.buffer);
    let next = tables;
    const write = (numbers: readonly number[]) => {
      const at = next;
      integers.set(numbers, at / 4);
      next += 4 * numbers.length;
      return at;
    };
    const blocks = (buffer: number, { counts, displacements }: BlockList): Blocks => ({
      buffer,
      counts: write(counts),
      displacements: write(displacements),
    });
    this.chunks = chunks.length;
    this.#planned = chunks.map(({ cuts, send, receive, back }, i) => {
      const slice = { from: cuts[ranks.rank], to: cuts[ranks.rank + 1] };
      const slots = receive.displacements.map((at) => this.#inbox + at);
      return {
        send: blocks(this.#outbox, send),
        receive: blocks(this.#inbox, receive),
        back: blocks(this.#total, back),
        requests: { there: requests + 8 * i, back: requests + 8 * (chunks.length + i) },
        merger: new SliceMerger(
          merging,
          { nodes: nodes.flat(), shardCount },
          slots,
          slice,
          partOfSlice(gradient, slice, 0, 1),
        ),
      };
    });
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
    new Float32Array(buffer, this.#inbox, (this.#outbox - this.#inbox) / 4).fill(ranks.rank + 1);
    new Float32Array(buffer, this.#outbox).fill(ranks.rank + 1);
    this.#exchange();
    const total = new Float32Array(buffer, this.#total, floats);
    const expected = (ranks.count * (ranks.count + 1)) / 2;
    const wrong = total.findIndex((value) => value !== expected);
    if (wrong >= 0) throw new Error(`float ${wrong} of ${floats}: got ${total[wrong]}, expected ${expected}`);
    // What is not sent is merged again and again.
    new Float32Array(buffer, this.#inbox).fill(0);
  }

  /** As the group of a team does it. @returns the milliseconds of merging */
  #exchange(): number {
    const calls = this.#options.ranks.count === 1 ? null : this.#calls;
    let mergeMs = 0;
    for (const { send, receive, requests } of this.#planned) calls?.alltoallv(send, receive, requests.there);
    for (const { requests, merger, back } of this.#planned) {
      if (calls !== null) this.#wait(requests.there, 'to the owners of slices');
      const startMs = performance.now();
      merger.merge(this.#span, this.#total);
      mergeMs += performance.now() - startMs;
      calls?.allgatherv(back, requests.back);
    }
    for (const { requests } of this.#planned) if (calls !== null) this.#wait(requests.back, 'back to all');
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
