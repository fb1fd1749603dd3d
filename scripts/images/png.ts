/**
 * Reading of PNG files (https://www.w3.org/TR/png-3): any size, colour type, depth and interlacing, as a grey image.
 * Rows are looked at as they are unpacked, so memory does not grow with what a file claims to hold.
 */
import { pipeline } from 'node:stream/promises';
import { crc32, createInflate } from 'node:zlib';
import { dataError, quoted, reasonOf } from '../../shared/errors.ts';
import type { GreyImage } from '../../shared/images/grey-image.ts';
import { Canvas } from './canvas.ts';
import { PixelReader } from './pixels.ts';
import { type PngHeader, RowReader, rawBytes } from './png-rows.ts';

/** Sides above this make rows, two of which are held, that are too long. */
const longestSide = 65_535;
/** Ten thousand each way; unpacking them takes seconds. */
const mostPixels = 100_000_000;
/** Deflate's utmost (RFC 1951): a match of 258 bytes in 2 bits. */
const maxExpansion = 1032;

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Samples of a pixel, and the depths that a colour type may have. */
const colourTypes: Readonly<Record<number, { channels: number; depths: readonly number[] }>> = {
  0: { channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { channels: 3, depths: [8, 16] },
  3: { channels: 1, depths: [1, 2, 4, 8] },
  4: { channels: 2, depths: [8, 16] },
  6: { channels: 4, depths: [8, 16] },
};

/** Throws an error that says what is wrong with the file. */
export type Fail = (what: string, cause?: unknown) => never;

/** What a file holds beside pixels, each as its chunk has it. */
export interface PngChunks {
  readonly header: PngHeader;
  /** Red, green and blue of each colour. */
  readonly palette: Uint8Array | null;
  readonly transparency: Uint8Array | null;
  readonly background: Uint8Array | null;
  /** The packed pixels, in pieces. */
  readonly data: readonly Uint8Array[];
}

export function isPng(start: Uint8Array): boolean {
  return signature.every((byte, i) => start[i] === byte);
}

/**
 * Reads a file's bytes as grey, 0 (black) … 255 (white), by luminance; what is transparent shows the background.
 * @param path for messages, as it is to be shown
 * @throws LockstepError (DATA) when it is not a whole PNG, or larger than can be read
 */
export async function decodePng(bytes: Uint8Array, path: string): Promise<GreyImage> {
  const fail: Fail = (what, cause) => {
    throw dataError(`${path}: ${what}; is this a whole PNG file?`, cause);
  };
  const chunks = readChunks(bytes, fail);
  const { header, data } = chunks;
  const expected = rawBytes(header);
  const packed = data.reduce((sum, { length }) => sum + length, 0);
  if (expected > packed * maxExpansion) {
    fail(
      `its ${packed} bytes of pixels cannot unpack to the ${expected} of ${header.width}×${header.height}`,
    );
  }
  const canvas = new Canvas(header.width, header.height);
  const pixels = new PixelReader(chunks, canvas, fail);
  const rows = new RowReader(header, (row, pass, y) => pixels.take(row, pass, y), fail);
  await unpack(data, rows, fail);
  if (!rows.complete) fail('the pixels end too early');
  return canvas.flatten(pixels.background);
}

async function unpack(data: readonly Uint8Array[], rows: RowReader, fail: Fail): Promise<void> {
  try {
    await pipeline(data, createInflate(), async (unpacked: AsyncIterable<Uint8Array>) => {
      for await (const piece of unpacked) rows.take(piece);
    });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    fail(`the pixels cannot be unpacked (${reasonOf(error)})`, error);
  }
}

/** Walks through the chunks; each is length, type, content and a CRC-32 of type and content. */
function readChunks(bytes: Uint8Array, fail: Fail): PngChunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const known = new Map<string, Uint8Array>();
  const data: Uint8Array[] = [];
  for (let at = signature.length; ; ) {
    if (at + 12 > bytes.length) return fail(`it ends after ${bytes.length} bytes without the chunk IEND`);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 8 + length;
    if (end + 4 > bytes.length) {
      return fail(`chunk ${quoted(type)} is said to have ${length} bytes, got ${bytes.length - at - 12}`);
    }
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      return fail(`chunk ${quoted(type)} at ${at} has another checksum than it states`);
    }
    const content = bytes.subarray(at + 8, end);
    if ((known.size === 0) !== (type === 'IHDR')) fail('the first chunk, and no other, must be IHDR');
    if (type === 'IEND') return collected(known, data, fail);
    if (type === 'IDAT') data.push(content);
    else if (['IHDR', 'PLTE', 'tRNS', 'bKGD'].includes(type)) known.set(type, content);
    // A small first letter says that the chunk may be ignored.
    else if (!/^[a-z]/.test(type)) fail(`chunk ${quoted(type)} is unknown and must not be ignored`);
    at = end + 4;
  }
}

function collected(
  known: ReadonlyMap<string, Uint8Array>,
  data: readonly Uint8Array[],
  fail: Fail,
): PngChunks {
  const header = readHeader(known.get('IHDR') ?? new Uint8Array(), fail);
  const palette = known.get('PLTE') ?? null;
  if (header.colourType === 3 && palette === null) fail('it has no palette');
  if (palette !== null && (palette.length % 3 !== 0 || palette.length > 768)) {
    fail(`the palette has ${palette.length} bytes, expected three for each of at most 256 colours`);
  }
  return {
    header,
    palette,
    transparency: known.get('tRNS') ?? null,
    background: known.get('bKGD') ?? null,
    data,
  };
}

function readHeader(content: Uint8Array, fail: Fail): PngHeader {
  if (content.length !== 13) return fail(`the header has ${content.length} bytes, expected 13`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colourType, compression, filter, interlace] = content.subarray(8);
  if (Math.min(width, height) < 1 || Math.max(width, height) > longestSide || width * height > mostPixels) {
    fail(
      `got ${width}×${height} pixels, expected sides of 1 to ${longestSide} and at most ${mostPixels} pixels in all`,
    );
  }
  const kind = colourTypes[colourType];
  if (kind === undefined || !kind.depths.includes(depth)) {
    return fail(`got colour type ${colourType} with ${depth} bits, which PNG does not have`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    fail(`got compression ${compression}, filter ${filter}, interlacing ${interlace}, expected 0, 0, 0 or 1`);
  }
  return { width, height, depth, colourType, channels: kind.channels, interlaced: interlace === 1 };
}
