/** Exchanges of random ragged blocks, each compared with what plain JavaScript says must arrive. */
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import { bindMpi, type RankCalls } from '../../worker/mpi/calls.ts';

/** Where things lie: arrays of i32 for up to 8 ranks, then buffers. */
const at = {
  request: 64,
  ...{ sendCounts: 128, sendPlaces: 192, receiveCounts: 256, receivePlaces: 320 },
  ...{ send: 65_536, receive: 65_536 + 2 ** 22 },
};
const deadlineMs = 30_000;

export interface Exchanges {
  readonly file: string;
  readonly rank: number;
  readonly size: number;
  readonly count: number;
}

/** Returns how many bytes came, all of them right. @throws Error naming the first that is wrong */
export function tryExchanges(
  { file, rank, size, count }: Exchanges,
  memory: SharedMemory,
): { bytes: number } {
  const calls = bindMpi(file, memory);
  const bytes = new Uint8Array(memory.buffer);
  const ranks = Array.from({ length: size }, (_, i) => i);
  let arrived = 0;
  for (let trial = 0; trial < count; trial++) {
    bytes.fill(255, at.send);
    const outgoing = ranks.map((to) => lengthOf(trial, rank, to));
    const incoming = ranks.map((from) => lengthOf(trial, from, rank));
    const sendPlaces = lay(memory, at.sendCounts, at.sendPlaces, outgoing);
    const receivePlaces = lay(memory, at.receiveCounts, at.receivePlaces, incoming);
    for (const to of ranks) fill(bytes, at.send + sendPlaces[to], outgoing[to], trial, rank, to);
    calls.alltoallv(
      { buffer: at.send, counts: at.sendCounts, displacements: at.sendPlaces },
      { buffer: at.receive, counts: at.receiveCounts, displacements: at.receivePlaces },
      at.request,
    );
    wait(calls, `alltoallv ${trial}`);
    for (const from of ranks)
      check(bytes, at.receive + receivePlaces[from], incoming[from], trial, from, rank);

    // Everybody's block to all others: as if each sent itself something that all get.
    const blocks = ranks.map((from) => lengthOf(trial, from, from));
    const places = lay(memory, at.receiveCounts, at.receivePlaces, blocks);
    bytes.fill(255, at.receive);
    fill(bytes, at.receive + places[rank], blocks[rank], trial, rank, rank);
    calls.allgatherv(
      { buffer: at.receive, counts: at.receiveCounts, displacements: at.receivePlaces },
      at.request,
    );
    wait(calls, `allgatherv ${trial}`);
    for (const from of ranks) check(bytes, at.receive + places[from], blocks[from], trial, from, from);
    arrived += [...incoming, ...blocks].reduce((sum, length) => sum + length, 0);
  }
  return { bytes: arrived };
}

/** Writes counts and places, with a gap of one byte behind each block; returns the places. */
function lay(memory: SharedMemory, countsAt: number, placesAt: number, lengths: readonly number[]): number[] {
  const places = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length + 1, 0));
  new Int32Array(memory.buffer, countsAt, lengths.length).set(lengths);
  new Int32Array(memory.buffer, placesAt, lengths.length).set(places);
  return places;
}

/** Nothing, a little, or a lot, so that messages take each of the ways that MPI has for them. */
function lengthOf(trial: number, from: number, to: number): number {
  const draw = mix(trial, from, to);
  return [0, draw % 65, draw % 5_000, draw % 5_000, draw % 200_000][(draw >>> 20) % 5];
}

function byteOf(trial: number, from: number, to: number, i: number): number {
  return (mix(trial, from, to) + i * 5 + (i >>> 8)) & 127;
}

/** A fixed number for three. */
function mix(a: number, b: number, c: number): number {
  let x = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ Math.imul(c + 1, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return (x ^ (x >>> 13)) >>> 0;
}

function fill(
  bytes: Uint8Array,
  offset: number,
  length: number,
  trial: number,
  from: number,
  to: number,
): void {
  for (let i = 0; i < length; i++) bytes[offset + i] = byteOf(trial, from, to, i);
}

/** Looks at each byte of a block, and at the gap behind it, which nobody may have written to. */
function check(
  bytes: Uint8Array,
  offset: number,
  length: number,
  trial: number,
  from: number,
  to: number,
): void {
  for (let i = 0; i <= length; i++) {
    const expected = i < length ? byteOf(trial, from, to, i) : 255;
    if (bytes[offset + i] === expected) continue;
    throw new Error(
      `exchange ${trial}, ${from} to ${to}, byte ${i} of ${length}: ${bytes[offset + i]}, not ${expected}`,
    );
  }
}

/** Tests until it is done, leaving the core to other ranks in between. */
function wait(calls: RankCalls, what: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const startMs = performance.now();
  for (let tries = 0; !calls.test(at.request); tries++) {
    if (performance.now() - startMs > deadlineMs) throw new Error(`${what} takes more than ${deadlineMs} ms`);
    if (tries > 20) Atomics.wait(pause, 0, 0, 0.05);
  }
}
