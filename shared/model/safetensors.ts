/**
 * The safetensors format: eight bytes with the header's length, the header as JSON (name → dtype, shape,
 * offsets; `__metadata__` with texts), then the data (https://github.com/huggingface/safetensors, "Format").
 */
import { bytesOf } from '../digest.ts';
import { dataError, quoted, reasonOf } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import { type Dtype, dtypes, isDtype, type StoredValues, toFloats } from './dtypes.ts';
import { isBounded } from './header-scan.ts';
import { counterNames, type Snapshot } from './snapshot.ts';

/** A tensor of a file. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly values: StoredValues;
}

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Ours have a few KB. */
const largestHeader = 2 ** 20;
/** The format's own limit for a header; what is said to have a longer one is something else. */
const formatsLargestHeader = 100_000_000;

/** A model's tensors as its file has them: the F32 ones in model order, then the counters. */
export function modelTensors(
  { tensors }: Pick<Architecture, 'tensors'>,
  snapshot: Snapshot,
): Map<string, StoredTensor> {
  const stored = new Map<string, StoredTensor>();
  for (const { name, shape } of tensors) {
    const values = snapshot.tensors.get(name);
    if (values === undefined) throw new Error(`the snapshot has no ${name}`);
    stored.set(name, { dtype: 'F32', shape, values });
  }
  for (const [name, count] of snapshot.counters) {
    stored.set(name, { dtype: 'I64', shape: [], values: BigInt64Array.of(count) });
  }
  return stored;
}

/** The bytes of a model's file, in parts to be written one behind the other. */
export function encodeSafetensors(
  architecture: Architecture,
  snapshot: Snapshot,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  return encodeTensors(modelTensors(architecture, snapshot), metadata);
}

/**
 * The bytes of a file, in parts to be written one behind the other: the header's length, the header with the metadata
 * first, then the tensors' own bytes in their order.
 */
export function encodeTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { dtype, shape, values }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Spaces after the header bring the data to a multiple of eight bytes.
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [length, padded, ...[...tensors.values()].map(({ values }) => bytesOf(values))];
}

/**
 * Reads a file's bytes; the values are views of them where they are aligned, copies where not.
 * @param path for messages
 * @throws LockstepError (DATA) when the bytes are not a whole safetensors file
 */
export function decodeSafetensors(bytes: Uint8Array, path: string): SafetensorsFile {
  const fail = (what: string): never => {
    throw dataError(`${path}: ${what}; is this a whole safetensors file?`);
  };
  if (bytes.length < 8) fail(`got ${bytes.length} bytes, expected at least 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > formatsLargestHeader) {
    throw dataError(
      `${path}: is no safetensors file; expected one that Lockstep or another program wrote a model to`,
    );
  }
  if (headerBytes > largestHeader || 8 + headerBytes > bytes.length) {
    fail(
      `the header is said to have ${headerBytes} bytes, expected at most ${Math.min(largestHeader, bytes.length - 8)}`,
    );
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes), fail);
  const data = bytes.subarray(8 + headerBytes);
  const metadata = header.__metadata__ ?? (Object.hasOwn(header, '__metadata__') ? null : {});
  if (!isTexts(metadata)) return fail('__metadata__ is not a table of texts');
  const tensors = new Map<string, StoredTensor>();
  const ranges: Range[] = [];
  // One by one, so that the first bad one of very many is the last that is looked at.
  for (const name of Object.keys(header)) {
    if (name === '__metadata__') continue;
    const entry = header[name];
    tensors.set(name, readTensor(name, entry, data, fail));
    ranges.push((entry as Entry).data_offsets);
  }
  checkCoverage(ranges, data.length, fail);
  return { tensors, metadata };
}

/**
 * Picks an architecture's tensors out of a file; floats of other widths become binary32.
 * @throws LockstepError (DATA) naming the tensors that are missing, too many, of another shape, or not finite
 */
export function snapshotFrom(
  file: SafetensorsFile,
  architecture: Pick<Architecture, 'text' | 'tensors'>,
  path: string,
): Snapshot {
  const counters = counterNames(architecture);
  const known = new Set([...architecture.tensors.map(({ name }) => name), ...counters]);
  const extra = [...file.tensors.keys()].filter((name) => !known.has(name));
  const missing = architecture.tensors.filter(({ name }) => !file.tensors.has(name)).map(({ name }) => name);
  if (extra.length > 0 || missing.length > 0) {
    const list = (names: string[]) => (names.length === 0 ? 'none' : quoted(names.join(', ')));
    throw dataError(
      `${path}: its tensors do not fit the model ${quoted(architecture.text)}: missing ${list(missing)}, too many ${list(extra)}`,
    );
  }
  const tensors = new Map<string, Float32Array>();
  for (const { name, shape } of architecture.tensors) {
    const stored = file.tensors.get(name);
    const values = stored?.shape.join() === shape.join() ? toFloats(stored.dtype, stored.values) : null;
    if (values === null) {
      throw dataError(
        `${path}: tensor ${name} is ${stored?.dtype} (${stored?.shape.join(', ')}), expected F32 (${shape.join(', ')})`,
      );
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw dataError(`${path}: tensor ${name} has ${values[bad]} at ${bad}, expected finite numbers`);
    tensors.set(name, values);
  }
  const counts = counters.map((name): [string, bigint] => {
    const stored = file.tensors.get(name);
    if (stored === undefined) return [name, 0n]; // a file from elsewhere may have no counters
    if (!(stored.values instanceof BigInt64Array) || stored.values.length !== 1) {
      throw dataError(
        `${path}: tensor ${name} is ${stored.dtype} (${stored.shape.join(', ')}), expected I64 ()`,
      );
    }
    return [name, stored.values[0]];
  });
  return { tensors, counters: new Map(counts) };
}

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (memory: ArrayBufferLike, at: number, length: number): StoredValues;
}

type Range = readonly [begin: number, end: number];

interface Entry {
  readonly dtype: StoredTensor['dtype'];
  readonly shape: readonly number[];
  readonly data_offsets: Range;
}

function parseHeader(bytes: Uint8Array, fail: (what: string) => never): Record<string, unknown> {
  if (!isBounded(bytes)) fail('the header has more or deeper values than a list of tensors');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    fail(`the header is not JSON (${reasonOf(error)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return fail('the header is no object');
  return header as Record<string, unknown>;
}

function readTensor(
  name: string,
  entry: unknown,
  data: Uint8Array,
  fail: (what: string) => never,
): StoredTensor {
  if (!isEntry(entry)) {
    return fail(`tensor ${quoted(name)} is not described by a known dtype, shape and data_offsets`);
  }
  const { dtype, shape, data_offsets } = entry;
  const arrayType: ArrayType = dtypes[dtype];
  const size = arrayType.BYTES_PER_ELEMENT;
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((product, length) => product * length, size);
  if (end > data.length || end - begin !== bytes) {
    return fail(
      `tensor ${quoted(name)} of shape (${shape.join(', ')}) needs ${bytes} bytes, got ${begin} to ${end} of ${data.length}`,
    );
  }
  const at = data.byteOffset + begin;
  const isAligned = at % size === 0;
  // A Buffer's own slice would not copy.
  const own = isAligned ? data : new Uint8Array(data.subarray(begin, end));
  const values = new arrayType(own.buffer, isAligned ? at : 0, bytes / size);
  return { dtype, shape, values };
}

/** Every byte of the data belongs to exactly one tensor, as the format asks. */
function checkCoverage(ranges: Range[], dataBytes: number, fail: (what: string) => never): void {
  ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let at = 0;
  for (const [begin, end] of ranges) {
    if (begin !== at) fail(`the tensors leave out or share bytes from ${Math.min(at, begin)} on`);
    at = end;
  }
  if (at !== dataBytes) fail(`the tensors have ${at} bytes, the file has ${dataBytes} after its header`);
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  const isCounts = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length <= 8 && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  return (
    isDtype(dtype) && isCounts(shape) && isCounts(offsets) && offsets.length === 2 && offsets[0] <= offsets[1]
  );
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  );
}
