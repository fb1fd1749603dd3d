/**
 * All ranks give each other what they have, and know by name who does not come. Lengths go from each to each, so whoever
 * waits sees whose is missing; what they announce then goes with one call of MPI.
 */
import { crc32 } from 'node:zlib';
import { mpiError } from './library.ts';
import type { Mail, Pending } from './mail.ts';
import { poll } from './polling.ts';
import { listRanks } from './rank-list.ts';

const tags = { lengths: 101, silence: 102 } as const;
/** All that is gathered at once; counts and displacements of MPI are ints. */
const mostBytes = 2 ** 30;
/** After a gather has failed so long is waited for those who still answer. */
const answerMs = 1_000;

type Post = Pick<Mail, 'send' | 'receive' | 'allGather' | 'isDone'>;

export class Gathering {
  readonly #mail: Post;
  readonly #rank: number;
  readonly #size: number;
  /** What is still expected from each rank that was silent when it was asked last. */
  readonly #expected = new Map<number, Pending>();
  #count = 0;

  constructor(mail: Post, rank: number, size: number) {
    this.#mail = mail;
    this.#rank = rank;
    this.#size = size;
  }

  async allGather(bytes: Uint8Array, what: string, deadlineMs: number): Promise<Uint8Array[]> {
    const endMs = performance.now() + deadlineMs;
    const lengths = await this.#gatherLengths(bytes.length, what, deadlineMs);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    if (total > mostBytes)
      throw mpiError(`${what}: ${total} bytes of all ranks, expected at most ${mostBytes}`);
    if (total === 0) return lengths.map(() => new Uint8Array(0));
    const all = new Uint8Array(new ArrayBuffer(total));
    const ends = lengths.map((_, rank) =>
      lengths.slice(0, rank + 1).reduce((sum, length) => sum + length, 0),
    );
    const parts = ends.map((end, rank) => all.subarray(end - lengths[rank], end));
    parts[this.#rank].set(bytes);
    const gather = this.#mail.allGather(all, lengths);
    if (!(await poll(() => this.#mail.isDone(gather), endMs - performance.now()))) {
      const silent = await this.silentRanks(answerMs);
      throw this.#overdue(what, deadlineMs, silent);
    }
    return parts;
  }

  /** One number of each rank. They say what they are for, so that ranks on different ways are not taken for each other. */
  async #gatherLengths(length: number, what: string, deadlineMs: number): Promise<number[]> {
    const own = Uint32Array.of(this.#count++, crc32(what), length);
    const others = this.#others();
    const news = others.map((rank) => {
      const words = new Uint32Array(new ArrayBuffer(own.byteLength));
      return { rank, words, arrival: this.#mail.receive(new Uint8Array(words.buffer), rank, tags.lengths) };
    });
    const sent = others.map((rank) => {
      const copy = new Uint8Array(new ArrayBuffer(own.byteLength));
      copy.set(new Uint8Array(own.buffer));
      return this.#mail.send(copy, rank, tags.lengths);
    });
    const isThere = await poll(() => {
      const done = [...news.map(({ arrival }) => arrival), ...sent].map((pending) =>
        this.#mail.isDone(pending),
      );
      return done.every(Boolean);
    }, deadlineMs);
    if (!isThere) {
      const missing = news.filter(({ arrival }) => !arrival.isDone).map(({ rank }) => rank);
      // Who still answers did not come because it waits for another, maybe in a step that only this rank could end.
      const silent = await this.silentRanks(answerMs);
      const guilty = missing.filter((rank) => silent.includes(rank));
      throw this.#overdue(what, deadlineMs, guilty.length > 0 ? guilty : missing);
    }
    const lengths = new Array<number>(this.#size).fill(length);
    for (const { rank, words } of news) {
      if (words[0] !== own[0] || words[1] !== own[1]) {
        throw mpiError(
          `rank ${rank} came to gather ${words[0]} with something else than ${what}, for which rank ${this.#rank} is at gather ` +
            `${own[0]}; the ranks do not run the same program`,
        );
      }
      lengths[rank] = words[2];
    }
    return lengths;
  }

  async silentRanks(waitMs: number): Promise<number[]> {
    const others = this.#others();
    for (const rank of others) {
      if (!this.#expected.has(rank)) {
        this.#expected.set(rank, this.#mail.receive(new Uint8Array(new ArrayBuffer(1)), rank, tags.silence));
      }
      this.#mail.send(new Uint8Array(new ArrayBuffer(1)), rank, tags.silence);
    }
    const hear = () => {
      for (const [rank, pending] of this.#expected) {
        if (this.#mail.isDone(pending)) this.#expected.delete(rank);
      }
      return this.#expected.size === 0;
    };
    await poll(hear, waitMs);
    return [...this.#expected.keys()].toSorted((a, b) => a - b);
  }

  #others(): number[] {
    return Array.from({ length: this.#size }, (_, rank) => rank).filter((rank) => rank !== this.#rank);
  }

  #overdue(what: string, deadlineMs: number, missing: readonly number[]) {
    const who =
      missing.length === 0 ? 'it is not known who is missing' : `${listRanks(missing)} did not come`;
    return mpiError(
      `${what} was not complete on rank ${this.#rank} of ${this.#size} within ${deadlineMs} ms: ${who}; see what they say`,
    );
  }
}
