/** A writer of PNG files for tests, of every kind that there is, and of broken ones. */
import { crc32, deflateSync } from 'node:zlib';

export interface PngSpec {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly interlaced?: boolean;
  /** Row by row, pixel by pixel, sample by sample. */
  readonly samples: ArrayLike<number>;
  /** The filter of a row of a pass; 0 if nothing is said. */
  readonly filterOf?: (row: number) => number;
  /** Chunks between the header and the pixels, by type. */
  readonly chunks?: Readonly<Record<string, Uint8Array>>;
}

export const signature = Buffer.from('89504e470d0a1a0a', 'hex');

export const channelsOf = (colourType: number): number => [1, 0, 3, 1, 2, 0, 4][colourType];

export function encodePng(spec: PngSpec): Buffer {
  const more = Object.entries(spec.chunks ?? {}).map(([type, content]) => chunk(type, content));
  return Buffer.concat([
    signature,
    chunk('IHDR', headerOf(spec)),
    ...more,
    chunk('IDAT', deflateSync(rawOf(spec))),
    chunk('IEND', new Uint8Array()),
  ]);
}

export function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  return Buffer.concat([word(content.length), body, word(crc32(body))]);
}

/** Thirteen bytes. */
export function headerOf({
  width,
  height,
  depth,
  colourType,
  interlaced = false,
}: Omit<PngSpec, 'samples'>): Buffer {
  return Buffer.concat([word(width), word(height), Buffer.of(depth, colourType, 0, 0, interlaced ? 1 : 0)]);
}

/** The same file with the checksums that its chunks should have, as far as they can be followed. */
export function resealed(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = signature.length; at + 12 <= copy.length; ) {
    const end = at + 8 + copy.readUInt32BE(at);
    if (end + 4 > copy.length) break;
    copy.writeUInt32BE(crc32(copy.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return copy;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Which pixels a pass has, by coordinates: written down from the picture in the standard, not by steps. */
const pattern = [
  '16462646',
  '77777777',
  '56565656',
  '77777777',
  '36463646',
  '77777777',
  '56565656',
  '77777777',
];

/** Rows of all passes with their filters, before they are packed. */
export function rawOf(spec: PngSpec): Buffer {
  const { width, height, interlaced = false } = spec;
  const passes = interlaced ? ['1', '2', '3', '4', '5', '6', '7'] : [null];
  const rows: Buffer[] = [];
  for (const pass of passes) {
    let above: Buffer | null = null;
    let row = 0;
    for (let y = 0; y < height; y++) {
      const columns = Array.from({ length: width }, (_, x) => x).filter(
        (x) => pass === null || pattern[y % 8][x % 8] === pass,
      );
      if (columns.length === 0) continue;
      const packed = packRow(spec, y, columns);
      rows.push(
        filtered(packed, above ?? Buffer.alloc(packed.length), spec.filterOf?.(row++) ?? 0, stepOf(spec)),
      );
      above = packed;
    }
  }
  return Buffer.concat(rows);
}

function stepOf({ depth, colourType }: PngSpec): number {
  return Math.max(1, (depth * channelsOf(colourType)) >> 3);
}

/** The samples of some pixels of a row as a string of bits. */
function packRow(
  { width, depth, colourType, samples }: PngSpec,
  y: number,
  columns: readonly number[],
): Buffer {
  const channels = channelsOf(colourType);
  const bits = columns
    .flatMap((x) => Array.from({ length: channels }, (_, c) => samples[(y * width + x) * channels + c]))
    .map((sample) => sample.toString(2).padStart(depth, '0'))
    .join('');
  const whole = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  return Buffer.from(whole.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

function filtered(row: Buffer, above: Buffer, filter: number, step: number): Buffer {
  const left = (i: number) => (i < step ? 0 : row[i - step]);
  const corner = (i: number) => (i < step ? 0 : above[i - step]);
  const guess = (i: number): number => {
    if (filter === 1) return left(i);
    if (filter === 2) return above[i];
    if (filter === 3) return Math.floor((left(i) + above[i]) / 2);
    if (filter !== 4) return 0;
    const estimate = left(i) + above[i] - corner(i);
    const candidates = [left(i), above[i], corner(i)];
    const distances = candidates.map((candidate) => Math.abs(estimate - candidate));
    return candidates[distances.indexOf(Math.min(...distances))];
  };
  return Buffer.from([filter, ...Array.from(row, (byte, i) => (byte - guess(i)) & 0xff)]);
}
