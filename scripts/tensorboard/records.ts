/**
 * TFRecord files: each record is its length (u64), the checksum of that, its bytes, the checksum of these, little-endian
 * (tensorflow/core/lib/io/record_writer.h).
 */

/** One record. */
export function record(data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(framed.subarray(0, 8))), true);
  framed.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return framed;
}

/** CRC-32C (Castagnoli; RFC 3720, section 12.1): bit by bit, since a record is short and there are few of them. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** A checksum that stands beside others in a file is turned and moved, so that their checksum is a good one, too. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
