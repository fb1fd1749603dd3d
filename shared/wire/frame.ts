/**
 * Bulk frames: a fixed header, then raw bytes (binary32 little-endian for all that is computed). Everything that decides
 * whether a frame is wanted stands in the header, so one that is not is dropped before its payload is looked at.
 */
import { crc32 } from 'node:zlib';
import { protocolVersion } from './limits.ts';

/**
 * - `replica`: a chunk of a replica, the flat vector and then the optimizer's state, as it is before `step`
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
  /** Microseconds that the sender computed for it, waiting left out. */
  readonly microseconds: number;
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
  reserved: 40,
  checksum: 60,
} as const;

/** The header of a frame with a payload of so many bytes. */
export function encodeHeader(header: FrameHeader, length: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(at.magic, magic, true);
  view.setUint16(at.version, protocolVersion, true);
  view.setUint16(at.type, frameTypes.indexOf(header.type) + 1, true);
  view.setUint32(at.run, header.run, true);
  view.setUint32(at.step, header.step, true);
  view.setUint32(at.exchange, header.exchange, true);
  view.setUint32(at.lo, header.lo, true);
  view.setUint32(at.hi, header.hi, true);
  view.setUint32(at.panel, header.panel, true);
  view.setUint32(at.length, length, true);
  view.setUint32(at.microseconds, Math.min(header.microseconds, 2 ** 32 - 1), true);
  view.setUint32(at.checksum, crc32(bytes.subarray(0, at.checksum)), true);
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
  return {
    type,
    run: view.getUint32(at.run, true),
    step: view.getUint32(at.step, true),
    exchange: view.getUint32(at.exchange, true),
    lo: view.getUint32(at.lo, true),
    hi: view.getUint32(at.hi, true),
    panel: view.getUint32(at.panel, true),
    microseconds: view.getUint32(at.microseconds, true),
    payload,
  };
}

/** A payload as binary32 numbers: a view where it is aligned, else a copy. */
export function floatsOf(payload: Uint8Array): Float32Array {
  const aligned = payload.byteOffset % 4 === 0 ? payload : payload.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
