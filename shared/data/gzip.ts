/** Reading of gzip files (RFC 1952) whose unpacked size is known beforehand and never exceeded. */
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, gunzipSync } from 'node:zlib';
import { dataError, type LockstepError, reasonOf } from '../errors.ts';
import { type RegularFile, readAt, readStart, shownPath } from './regular-file.ts';

/** What is read at once, and what is unpacked at once: all that is held beside the destination. */
const chunkBytes = 65_536;

/** How much of a gzip file is looked at for its first bytes; gzip's own header with a name is below 300. */
const startBytes = 1024;

/** Deflate's utmost is a match of 258 bytes in 2 bits (RFC 1951): a byte never unpacks to more than this. */
const maxExpansion = 1032;

const repair = 'copy or download the file again';

/** Tells a gzip file by its first two bytes, 1f 8b. */
export function isGzip(start: Uint8Array): boolean {
  return start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/**
 * The first unpacked bytes of a gzip file, between none and about 1 MB of them. Throws a data error when the
 * file is corrupt near its start; a truncation is found by `gunzipChunks` only.
 */
export function gunzipStart(file: RegularFile): Uint8Array {
  const packed = readStart(file, startBytes);
  try {
    return gunzipSync(packed, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: startBytes * maxExpansion,
    });
  } catch (thrown) {
    throw gzipError(file, 'near the start', thrown);
  }
}

/** Throws a data error when a gzip file is too small to unpack to so many bytes, whatever it holds. */
export function checkExpansion(file: RegularFile, unpackedBytes: number): void {
  if (unpackedBytes > file.sizeBytes * maxExpansion) {
    throw dataError(
      `${shownPath(file.path)}: got ${file.sizeBytes} bytes of gzip, which cannot unpack to the ` +
        `${unpackedBytes} that its IDX header announces; ${repair}`,
    );
  }
}

/**
 * Unpacks a gzip file and hands it on in order, chunk by chunk (at most 64 KiB, valid during the call only).
 * Unpacking stops at the first byte beyond `unpackedBytes`. Throws a data error when the file is corrupt,
 * truncated, unpacks to another size, or has anything after its gzip data.
 */
export async function gunzipChunks(
  file: RegularFile,
  unpackedBytes: number,
  take: (chunk: Uint8Array, offset: number) => void,
): Promise<void> {
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  let offset = 0;
  let ended = false;
  const takeAll = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) {
      if (offset + chunk.length > unpackedBytes) throw wrongSize(file, 'more bytes', unpackedBytes);
      take(chunk, offset);
      offset += chunk.length;
    }
    ended = true;
  };
  try {
    await pipeline(packedChunks(file), gunzip, takeAll);
  } catch (thrown) {
    // After a clean end, the only failure left is that what follows in the file could not be fed any more.
    if (!ended) throw gzipError(file, `after ${offset} of ${unpackedBytes} unpacked bytes`, thrown);
  }
  if (offset < unpackedBytes) throw wrongSize(file, `${offset} bytes`, unpackedBytes);
  // zlib reports garbage after the last member, except when it starts with a zero byte: that stays unread.
  if (gunzip.bytesWritten !== file.sizeBytes) {
    throw dataError(
      `${shownPath(file.path)}: got ${file.sizeBytes} bytes, expected the file to end with its gzip data ` +
        `after ${gunzip.bytesWritten}; ${repair}`,
    );
  }
}

/** The packed file in fresh chunks: the decompressor may hold more than one of them at a time. */
async function* packedChunks(file: RegularFile): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < file.sizeBytes; ) {
    const chunk = new Uint8Array(Math.min(chunkBytes, file.sizeBytes - position));
    const count = readAt(file, chunk, 0, chunk.length, position);
    if (count === 0) return; // shrunk since it was opened: a truncation like any other
    yield chunk.subarray(0, count);
    position += count;
  }
}

function wrongSize(file: RegularFile, got: string, unpackedBytes: number): LockstepError {
  return dataError(
    `${shownPath(file.path)}: unpacks to ${got}, expected ${unpackedBytes} by its IDX header; ${repair}`,
  );
}

/** A failure of zlib as a data error; what is no failure of zlib is returned as it is. */
function gzipError(file: RegularFile, where: string, thrown: unknown): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  if (!code.startsWith('Z_')) return thrown;
  const what = code === 'Z_BUF_ERROR' ? 'truncated gzip data' : `corrupt gzip data (${reasonOf(thrown)})`;
  return dataError(`${shownPath(file.path)}: ${what} ${where}, expected an intact file; ${repair}`, thrown);
}
