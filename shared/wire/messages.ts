/** The control messages, small and checked by schema; bulk data goes in frames (frame.ts). */
import { z } from 'zod';
import { oneLine } from '../errors.ts';
import {
  mostNodes,
  reasonLength,
  recipeBytes,
  timelineLength,
  timelineSegments,
  timelineThreads,
} from './limits.ts';

const count = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
/** Text for people, made harmless for their terminals; there is some of it left then. */
const text = (most: number) => z.string().overwrite(oneLine).min(1).max(most);
/** When a thread began, then phase and duration of each segment: `12a34b5`. */
const timeline = z
  .string()
  .max(timelineLength)
  .regex(new RegExp(`^\\d{1,9}(?:[a-h]\\d{1,9}){1,${timelineSegments}}$`));
const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** A node of the reduction tree, `[lo, hi]` for shards lo … hi−1. One check instead of four: a message has up to `mostNodes`. */
const node = z.custom<[number, number]>(isNode, 'expected [lo, hi] with integers 0 <= lo < hi < 2^32');

function isNode(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [lo, hi]: unknown[] = value;
  return isCount(lo) && isCount(hi) && lo < hi;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}

/** What a worker says. */
const toCoordinator = z.discriminatedUnion('type', [
  /** The first message. */
  z.strictObject({
    type: z.literal('hello'),
    protocol: count,
    arithmetic: count,
    version: text(32),
    /** The result of the known computation with the worker's kernels. */
    answer: hash,
    /** Stays the same when the worker comes back. */
    workerId: z.string().regex(/^[0-9a-f]{32}$/),
    name: text(64),
    threads: z.int().min(1).max(1024),
    kernels: text(32),
  }),
  /** It has no data that fits and asks for it. */
  z.strictObject({ type: z.literal('fetch') }),
  /** It has the data and asks for a replica. */
  z.strictObject({ type: z.literal('join') }),
  /** It has the replica as it is before `step`. */
  z.strictObject({ type: z.literal('ready'), step: count }),
  /** SHA-256 of its replica (flat vector, then optimizer's state) before `step`. */
  z.strictObject({ type: z.literal('checksum'), step: count, sha256: hash }),
  /** The step after so many, as each of its threads spent it (timeline-text.ts); it began so long before this was sent. */
  z.strictObject({
    type: z.literal('timeline'),
    step: count,
    microseconds: count,
    threads: z.array(timeline).min(1).max(timelineThreads),
  }),
  z.strictObject({ type: z.literal('leave'), reason: text(256) }),
  z.strictObject({ type: z.literal('heartbeat') }),
  /** The answer to a ping, at once. */
  z.strictObject({ type: z.literal('pong'), number: count }),
]);

/** What the coordinator says. */
const toWorker = z.discriminatedUnion('type', [
  /** The answer to a hello that fits. */
  z.strictObject({
    type: z.literal('welcome'),
    version: text(32),
    /** What the headers of frames carry. */
    run: count,
    /** Opens the bulk connection. */
    ticket: text(64),
    /** What the worker is called here; its own name, with a number if there is another of that name. */
    name: text(80),
    /** Canonical JSON of the recipe. */
    recipe: z.string().min(1).max(recipeBytes),
    samples: z.strictObject({ train: count, test: count }),
  }),
  /** The worker is not wanted, or not any more; it does not come back. */
  z.strictObject({ type: z.literal('refuse'), reason: text(reasonLength) }),
  /** Its replica is not that of all others or too old; a new one follows. */
  z.strictObject({ type: z.literal('resync'), reason: text(reasonLength) }),
  /** Compute these nodes of this step, too. */
  z.strictObject({
    type: z.literal('assign'),
    step: count,
    nodes: z.array(node).min(1).max(mostNodes),
  }),
  /** Evaluate these shards of the test set with the replica before `step`. */
  z
    .strictObject({ type: z.literal('evaluate'), step: count, from: count, to: count })
    .refine(({ from, to }) => from < to, 'expected from < to'),
  /** Tell of steps before which a multiple of so many were committed; 0: of none. */
  z.strictObject({ type: z.literal('watch'), every: count }),
  /** The run is over: done, stopped by somebody, or `failed`. */
  z.strictObject({ type: z.literal('end'), reason: text(reasonLength), failed: z.boolean() }),
  /** The coordinator's heartbeat: the answer is to have the same number. */
  z.strictObject({ type: z.literal('ping'), number: count }),
]);

export const schemas = { toCoordinator, toWorker };
export type ToCoordinator = z.infer<typeof toCoordinator>;
export type ToWorker = z.infer<typeof toWorker>;
export type Hello = Extract<ToCoordinator, { type: 'hello' }>;
export type TimelineMessage = Extract<ToCoordinator, { type: 'timeline' }>;
export type Welcome = Extract<ToWorker, { type: 'welcome' }>;
