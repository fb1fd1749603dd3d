/**
 * Bulk frames: a fixed header, then raw bytes (binary32 little-endian for all that is computed). Everything that decides
 * whether a frame is wanted stands in the header, so one that is not is dropped before its payload is looked at.
 */
import assert from 'node:assert';
import { crc32 } from 'node:zlib';
import { protocolVersion } from './limits.ts';

/**
 * - `replica`: a chunk of a replica, the flat vector and then the optimizer's state, as it is before `step`;
 *   `lo` counts the replicas of a connection from 0, so that one that comes twice is recognised
 * - `partial`, `total`: of tree node `lo … hi−1` of an exchange of `step`
 * - `evaluation`: losses (binary32) of the evaluation shards `lo … hi−1`, then the predictions (bytes) of their samples
 * - `data`: a chunk of the data set: training images and labels, test images and labels, end to end
 */
export const frameTypes = ['replica', 'partial', 'total', 'evaluation', 'data'] as const;
export type FrameType = (typeof frameTypes)[number];

export interface FrameHeader {
  readonly type: FrameType;
  /** Tells the frames of one run from those of another. */
  readonly run: number;
  /** Steps committed before the one that the frame belongs to, since the training began. */
  readonly step: number;
  /** Which exchange of the step it is, from 0. */
  readonly exchange: number;
  readonly lo: number;
  readonly hi: number;
  /** Which piece it is of what is sent in several. */
  readonly panel: number;
  /** Microseconds that the sender computed for it, waiting left out; sent as a whole number, at most 71 minutes. */
  readonly microseconds: number;
  /**
   * Of a partial or an evaluation: the checksum of what the sender's last update wrote, 64 bits; none where it has made no
   * update since it got its replica.
   */
  readonly proof?: bigint;
}

export interface Frame extends FrameHeader {
  readonly payload: Uint8Array;
}

/** Bytes of a header. A payload that begins at this offset of an aligned buffer is aligned, too. */
export const headerBytes = 64;

const magic = 0x4653_4b4c; // "LKSF"

/** Byte offsets in a header; the bytes from `reserved` to the checksum are zero. */
const at = {
  magic: 0,
  version: 4,
  type: 6,
  run: 8,
  step: 12,
  exchange: 16,
  lo: 20,
  hi: 24,
  panel: 28,
  length: 32,
  microseconds: 36,
  proof: 40,
  reserved: 48,
  checksum: 60,
} as const;

/** The header of a frame with a payload of so many bytes. Every number must be an integer below 2³². */
export function encodeHeader(header: FrameHeader, length: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  const set = (offset: number, value: number) => {
    assert(value >>> 0 === value, `byte ${offset} of a header: got ${value}, expected an integer below 2^32`);
    view.setUint32(offset, value, true);
  };
  set(at.magic, magic);
  view.setUint16(at.version, protocolVersion, true);
  view.setUint16(at.type, frameTypes.indexOf(header.type) + 1, true);
  set(at.run, header.run);
  set(at.step, header.step);
  set(at.exchange, header.exchange);
  set(at.lo, header.lo);
  set(at.hi, header.hi);
  set(at.panel, header.panel);
  set(at.length, length);
  set(at.microseconds, Math.min(Math.round(header.microseconds), 2 ** 32 - 1));
  view.setBigUint64(at.proof, header.proof ?? 0n, true);
  set(at.checksum, crc32(bytes.subarray(0, at.checksum)));
  return bytes;
}

/**
 * Reads a message as a frame; the payload is a view of it, or came apart from its header, as it is sent. Returns what
 * is wrong with it if it is none.
 */
export function decodeFrame(message: Uint8Array, apart?: Uint8Array): Frame | string {
  if (message.length < headerBytes) return `${message.length} bytes, expected at least ${headerBytes}`;
  const view = new DataView(message.buffer, message.byteOffset, headerBytes);
  if (view.getUint32(at.magic, true) !== magic) return 'not a frame of Lockstep';
  const version = view.getUint16(at.version, true);
  if (version !== protocolVersion) return `protocol version ${version}, expected ${protocolVersion}`;
  const checksum = crc32(message.subarray(0, at.checksum));
  if (view.getUint32(at.checksum, true) !== checksum) return 'a header whose checksum is wrong';
  const type = frameTypes[view.getUint16(at.type, true) - 1];
  if (type === undefined) return 'a frame of unknown type';
  if (message.subarray(at.reserved, at.checksum).some((byte) => byte !== 0))
    return 'a header with unknown fields';
  const length = view.getUint32(at.length, true);
  const payload = apart ?? message.subarray(headerBytes);
  if (payload.length !== length) return `${payload.length} bytes of payload, its header says ${length}`;
  const proof = view.getBigUint64(at.proof, true);
  return {
    type,
    run: view.getUint32(at.run, true),
    step: view.getUint32(at.step, true),
    exchange: view.getUint32(at.exchange, true),
    lo: view.getUint32(at.lo, true),
    hi: view.getUint32(at.hi, true),
    panel: view.getUint32(at.panel, true),
    microseconds: view.getUint32(at.microseconds, true),
    ...(proof !== 0n && { proof }),
    payload,
  };
}

/** A payload of whole binary32 numbers as such: a view where it is aligned, else a copy. */
export function floatsOf(payload: Uint8Array): Float32Array {
  assert(payload.length % 4 === 0, `${payload.length} bytes are no whole number of binary32 numbers`);
  // Not `slice`: a Buffer's makes no copy.
  const aligned = payload.byteOffset % 4 === 0 ? payload : new Uint8Array(payload);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
