/**
 * Events as TensorBoard keeps them (event.proto, summary.proto and tensor.proto of tensorboard/compat/proto). Values are
 * tensors of the classes that its plugins read without conversion.
 */
import { double, integer, message, type Parts, text } from '../protobuf.ts';

/** What an event tells of a step. */
export type Told = Parts;

const dtypes = { float: 1, double: 2, string: 7 } as const;
const dataClasses = { scalar: 1, tensor: 2 } as const;
/** `SessionLog.START`: what was written before of this step and later ones is forgotten. */
const sessionStart = 1;

/** The first event of a file. */
export function version(): Told {
  return text(3, 'brain.Event:2');
}

/** Says that the run begins or goes on with the event's step. */
export function start(): Told {
  return message(7, integer(1, sessionStart));
}

/** Some values of a step. */
export function summary(...values: readonly Parts[]): Told {
  return message(5, ...values);
}

/** One event, without its frame. @param wallSeconds since 1970 */
export function event(wallSeconds: number, step: number, told: Told): Uint8Array {
  return Buffer.concat([...double(1, wallSeconds), ...integer(2, step), ...told]);
}

export function scalar(tag: string, value: number): Parts {
  const content = message(5, [bytesOf(Float32Array.of(value))]);
  return labelled(tag, 'scalars', 'scalar', tensor('float', [], content));
}

/** A text in Markdown. */
export function markdown(tag: string, content: string): Parts {
  return labelled(tag, 'text', 'tensor', tensor('string', [], text(8, content)));
}

/** How values spread: buckets of the same width from the least to the greatest, or one around them where all are equal. */
export function histogram(tag: string, values: Float32Array): Parts {
  const rows = buckets(values);
  const content = message(4, [bytesOf(Float64Array.from(rows.flat()))]);
  return labelled(tag, 'histograms', 'tensor', tensor('double', [rows.length, 3], content));
}

/** As many as TensorBoard's own writer makes. */
const bucketCount = 30;

/** Rows of left edge, right edge and count. */
function buckets(values: Float32Array): [left: number, right: number, count: number][] {
  if (values.length === 0) return [];
  const least = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  if (least === greatest) return [[least - 0.5, least + 0.5, values.length]];
  const width = (greatest - least) / bucketCount;
  const counts = new Array<number>(bucketCount).fill(0);
  for (const value of values) counts[Math.min(bucketCount - 1, Math.floor((value - least) / width))] += 1;
  const edge = (i: number) => (i === bucketCount ? greatest : least + i * width);
  return counts.map((count, i) => [edge(i), edge(i + 1), count]);
}

function labelled(tag: string, plugin: string, dataClass: keyof typeof dataClasses, tensor: Parts): Parts {
  const metadata = message(9, message(1, text(1, plugin)), integer(4, dataClasses[dataClass]));
  return message(1, text(1, tag), message(8, tensor), metadata);
}

function tensor(dtype: keyof typeof dtypes, shape: readonly number[], content: Parts): Parts {
  const sides = shape.map((side) => message(2, integer(1, side)));
  return [...integer(1, dtypes[dtype]), ...message(2, ...sides), ...content];
}

function bytesOf({ buffer }: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer);
}
