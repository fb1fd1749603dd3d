/**
 * Reading of IDX files, the format of MNIST (https://yann.lecun.com/exdb/mnist, "the IDX file format"): a
 * big-endian header of magic number and dimensions, then one unsigned byte a value; plain or gzip.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { dataError, type LockstepError } from '../errors.ts';
import { checkExpansion, gunzipChunks, gunzipStart, isGzip } from './gzip.ts';
import { openRegularFile, type RegularFile, readAt, readStart, shownPath } from './regular-file.ts';

export type IdxKind = 'images' | 'labels';

/** An IDX file whose header and size were checked; it holds no open handle. */
export interface IdxFile {
  readonly path: string;
  readonly kind: IdxKind;
  /** `[samples, 28, 28]` of images, `[samples]` of labels. */
  readonly dims: readonly number[];
  /** Length of what `readIdx` reads, one byte a value. */
  readonly payloadBytes: number;
}

/** More samples than this in one file are refused: 7.84 GB of images, beyond a WebAssembly memory's 4 GiB. */
export const maxSamples = 10_000_000;

/** Dimensions of one sample; the trainer's input is fixed. */
const sampleDims: Readonly<Record<IdxKind, readonly number[]>> = { images: [28, 28], labels: [] };

/** Two zero bytes, 08 for unsigned bytes, the number of dimensions. */
const magics: Readonly<Record<IdxKind, number>> = { images: 0x00000803, labels: 0x00000801 };

/** Reading and hashing go on by pieces that stay in the processor's cache. */
const chunkBytes = 1 << 20;

const repair = 'copy or download the file again';

/** Bytes of one sample: 784 of an image, 1 of a label. */
export function sampleBytes(kind: IdxKind): number {
  return sampleDims[kind].reduce((product, dim) => product * dim, 1);
}

/**
 * Checks the header and the size of an IDX file, reading no more than its first bytes. A plain file has to
 * have exactly the size that its header announces; of a gzip file that is checked by `readIdx`, and here only
 * that it is possible. Throws a data error when the file is missing, not a regular file, not an IDX file of
 * this kind, of other dimensions, empty or too large, truncated or too long.
 */
export function openIdx(path: string, kind: IdxKind): IdxFile {
  const file = openRegularFile(path);
  try {
    return checkedIdx(file, kind).idx;
  } finally {
    closeSync(file.fd);
  }
}

/**
 * Reads the payload into `destination` (length `payloadBytes`; may be a view on shared memory; owned by the
 * caller, its content is undefined after an error) and returns the SHA-256, in hex, of the whole uncompressed
 * file. Throws a data error when the file has changed since `openIdx`, cannot be read, or, for gzip, is
 * corrupt, truncated or longer than announced.
 */
export async function readIdx(idx: IdxFile, destination: Uint8Array): Promise<string> {
  assert.equal(destination.byteLength, idx.payloadBytes, 'destination has the length of the payload');
  const file = openRegularFile(idx.path);
  try {
    const now = checkedIdx(file, idx.kind);
    if (now.idx.payloadBytes !== idx.payloadBytes) throw changed(idx);
    return now.isGzip ? await readGzip(file, idx, destination) : readPlain(file, idx, destination);
  } finally {
    closeSync(file.fd);
  }
}

/** Tells an IDX file of bytes, of whatever dimensions, by its first three bytes. */
export function isIdx(start: Uint8Array): boolean {
  return start.length >= 4 && start[0] === 0 && start[1] === 0 && start[2] === 8;
}

/**
 * Reads the first samples, `count` or as many as there are, one behind the other. Only if that is all of them is the
 * rest of the file looked at. Throws as `readIdx` does.
 */
export async function readFirstSamples(idx: IdxFile, count: number): Promise<Uint8Array> {
  const bytes = Math.min(count, idx.dims[0]) * sampleBytes(idx.kind);
  const samples = new Uint8Array(bytes);
  if (bytes === idx.payloadBytes) {
    await readIdx(idx, samples);
    return samples;
  }
  const file = openRegularFile(idx.path);
  try {
    const { isGzip: packed, idx: now } = checkedIdx(file, idx.kind);
    if (now.payloadBytes !== idx.payloadBytes) throw changed(idx);
    if (packed) await readGzipStart(file, idx, samples);
    else readPlain(file, idx, samples);
    return samples;
  } finally {
    closeSync(file.fd);
  }
}

/** The SHA-256, in hex, that an IDX file with this payload has. `payload` is only read. */
export function idxDigest(kind: IdxKind, payload: Uint8Array): string {
  const hash = createHash('sha256').update(idxHeader(kind, payload.length / sampleBytes(kind)));
  for (let offset = 0; offset < payload.length; offset += chunkBytes) {
    hash.update(payload.subarray(offset, offset + chunkBytes));
  }
  return hash.digest('hex');
}

/** The header of an IDX file: `headerBytes(kind)` bytes, big-endian. */
export function idxHeader(kind: IdxKind, samples: number): Uint8Array {
  const header = new Uint8Array(headerBytes(kind));
  const view = new DataView(header.buffer);
  view.setUint32(0, magics[kind]);
  [samples, ...sampleDims[kind]].forEach((dim, index) => {
    view.setUint32(4 + 4 * index, dim);
  });
  return header;
}

function headerBytes(kind: IdxKind): number {
  return 4 + 4 * (1 + sampleDims[kind].length);
}

function checkedIdx(file: RegularFile, kind: IdxKind): { idx: IdxFile; isGzip: boolean } {
  const start = readStart(file, headerBytes(kind));
  const packed = isGzip(start);
  const dims = checkedDims(file.path, kind, packed ? gunzipStart(file) : start);
  const payloadBytes = dims[0] * sampleBytes(kind);
  const idx = { path: file.path, kind, dims, payloadBytes };
  if (packed) checkExpansion(file, headerBytes(kind) + payloadBytes);
  else checkSize(file, idx);
  return { idx, isGzip: packed };
}

/** The dimensions in the header, after every field of it was checked. */
function checkedDims(path: string, kind: IdxKind, header: Uint8Array): readonly number[] {
  const fail = (problem: string): LockstepError => dataError(`${shownPath(path)}: ${problem}`);
  if (header.length < headerBytes(kind)) {
    throw fail(
      `truncated: got ${header.length} bytes of header, expected ${headerBytes(kind)} ` +
        `for IDX ${kind}; ${repair}`,
    );
  }
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const magic = view.getUint32(0);
  if (magic !== magics[kind]) {
    const other = (Object.keys(magics) as IdxKind[]).find((name) => magics[name] === magic);
    throw fail(
      `magic number in bytes 0-3: got ${hex(magic)}${other === undefined ? '' : ` (${other})`}, expected ` +
        `${hex(magics[kind])} (${kind}); put the IDX file of ${kind} there`,
    );
  }
  const samples = view.getUint32(4);
  if (samples < 1 || samples > maxSamples) {
    throw fail(
      `number of ${kind} in bytes 4-7: got ${samples}, expected 1 to ${maxSamples}; use a file of that size`,
    );
  }
  const got = sampleDims[kind].map((_, index) => view.getUint32(8 + 4 * index));
  if (got.some((dim, index) => dim !== sampleDims[kind][index])) {
    throw fail(
      `size of an image in bytes 8-15: got ${got.join(' x ')}, expected ${sampleDims[kind].join(' x ')}; ` +
        'use images of that size',
    );
  }
  return [samples, ...got];
}

function checkSize(file: RegularFile, { kind, dims, payloadBytes }: IdxFile): void {
  const expected = headerBytes(kind) + payloadBytes;
  if (file.sizeBytes === expected) return;
  const problem = file.sizeBytes < expected ? 'truncated' : 'too long';
  throw dataError(
    `${shownPath(file.path)}: ${problem}: got ${file.sizeBytes} bytes, expected ${expected} ` +
      `(${headerBytes(kind)} of header + ${dims.join(' x ')}); ${repair}`,
  );
}

function readPlain(file: RegularFile, idx: IdxFile, destination: Uint8Array): string {
  const header = idxHeader(idx.kind, idx.dims[0]); // every byte of it was compared with the file's
  const hash = createHash('sha256').update(header);
  for (let offset = 0; offset < destination.length; ) {
    const length = Math.min(chunkBytes, destination.length - offset);
    const count = readAt(file, destination, offset, length, header.length + offset);
    if (count === 0) throw changed(idx);
    hash.update(destination.subarray(offset, offset + count));
    offset += count;
  }
  return hash.digest('hex');
}

async function readGzip(file: RegularFile, idx: IdxFile, destination: Uint8Array): Promise<string> {
  const skipped = headerBytes(idx.kind);
  const hash = createHash('sha256');
  await gunzipChunks(file, skipped + destination.length, (chunk, offset) => {
    hash.update(chunk);
    const header = Math.max(0, Math.min(chunk.length, skipped - offset));
    destination.set(chunk.subarray(header), Math.max(0, offset - skipped));
  });
  return hash.digest('hex');
}

/** Unpacks until the destination is full, and not further. */
async function readGzipStart(file: RegularFile, idx: IdxFile, destination: Uint8Array): Promise<void> {
  const skipped = headerBytes(idx.kind);
  const enough = new Error('the destination is full');
  try {
    await gunzipChunks(file, skipped + idx.payloadBytes, (chunk, offset) => {
      const header = Math.max(0, Math.min(chunk.length, skipped - offset));
      const at = Math.max(0, offset - skipped);
      destination.set(chunk.subarray(header, header + destination.length - at), at);
      if (offset + chunk.length >= skipped + destination.length) throw enough;
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
}

function changed(idx: IdxFile): LockstepError {
  return dataError(
    `${shownPath(idx.path)}: changed while it was read, expected ${idx.payloadBytes} bytes of ${idx.kind} ` +
      'as when it was opened; start again when nothing writes to it',
  );
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
