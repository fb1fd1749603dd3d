/** Checkpoints with another header, and with the hash that makes them whole again. */
import { createHash } from 'node:crypto';

/**
 * The bytes with a changed header; the data and their alignment stay.
 * @param change changes the parsed header, or gives back another text
 */
export function withHeader(
  bytes: Uint8Array,
  change: (header: Record<string, unknown>) => unknown,
): Uint8Array {
  const buffer = Buffer.from(bytes);
  const end = 8 + Number(buffer.readBigUInt64LE());
  const header = JSON.parse(buffer.toString('utf8', 8, end));
  const changed = change(header);
  const text = Buffer.from(typeof changed === 'string' ? changed : JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, ' ');
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, buffer.subarray(end)]);
}

const begin = 8 + '{"__metadata__":{"sha256":"'.length;

/** A copy with the right SHA-256 in the place for it, whatever stood there. */
export function hashed(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.fill('0', begin, begin + 64);
  copy.write(createHash('sha256').update(copy).digest('hex'), begin);
  return copy;
}
