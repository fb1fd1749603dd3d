/** From the unpacked bytes of a PNG to rows of samples: passes of interlacing and filters (PNG, 8 and 9). */
import type { Fail } from './png.ts';

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth: number;
  readonly colourType: number;
  /** Samples of a pixel. */
  readonly channels: number;
  readonly interlaced: boolean;
}

/** Pixels (x + i · dx, y + j · dy) of an image: all of it, or one of the seven parts of an interlaced one. */
export interface Pass {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  readonly width: number;
  readonly height: number;
}

/** Adam7's seven passes (PNG, 8.1): first column and row, steps from one to the next. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** The passes that have pixels, in their order. */
function passesOf({ width, height, interlaced }: PngHeader): Pass[] {
  if (!interlaced) return [{ x: 0, y: 0, dx: 1, dy: 1, width, height }];
  return adam7
    .map(([x, y, dx, dy]) => ({
      ...{ x, y, dx, dy },
      width: Math.ceil((width - x) / dx),
      height: Math.ceil((height - y) / dy),
    }))
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

function rowBytes({ depth, channels }: PngHeader, { width }: Pass): number {
  return Math.ceil((width * depth * channels) / 8);
}

/** Bytes of the unpacked pixels: rows, each with the number of its filter before it. */
export function rawBytes(header: PngHeader): number {
  return passesOf(header).reduce((sum, pass) => sum + pass.height * (1 + rowBytes(header, pass)), 0);
}

/** Takes unpacked bytes as they come and hands on every row as soon as it is whole, its filter undone. */
export class RowReader {
  readonly #header: PngHeader;
  readonly #passes: readonly Pass[];
  readonly #takeRow: (row: Uint8Array, pass: Pass, y: number) => void;
  readonly #fail: Fail;
  /** Bytes from a sample to the one to its left, at least 1. */
  readonly #step: number;
  #pass = 0;
  #y = 0;
  /** The number of the filter, then the row. */
  #row: Uint8Array;
  #above: Uint8Array;
  #filled = 0;

  /** @param takeRow gets a row of a pass, valid during the call only */
  constructor(header: PngHeader, takeRow: (row: Uint8Array, pass: Pass, y: number) => void, fail: Fail) {
    this.#header = header;
    this.#passes = passesOf(header);
    this.#takeRow = takeRow;
    this.#fail = fail;
    this.#step = Math.max(1, (header.depth * header.channels) / 8);
    const length = 1 + rowBytes(header, this.#passes[0]);
    this.#row = new Uint8Array(length);
    this.#above = new Uint8Array(length);
  }

  get complete(): boolean {
    return this.#pass === this.#passes.length;
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.complete) this.#fail('it has more pixels than its header says');
      const part = bytes.subarray(at, at + this.#row.length - this.#filled);
      this.#row.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#row.length) this.#finishRow();
    }
  }

  #finishRow(): void {
    const pass = this.#passes[this.#pass];
    const row = this.#row.subarray(1);
    if (!unfilter(this.#row[0], row, this.#above.subarray(1), this.#step)) {
      this.#fail(`row ${this.#y} has the filter ${this.#row[0]}, expected 0 to 4`);
    }
    this.#takeRow(row, pass, this.#y);
    [this.#row, this.#above] = [this.#above, this.#row];
    this.#filled = 0;
    this.#y += 1;
    if (this.#y < pass.height) return;
    this.#pass += 1;
    this.#y = 0;
    if (this.complete) return;
    const length = 1 + rowBytes(this.#header, this.#passes[this.#pass]);
    this.#row = new Uint8Array(length);
    this.#above = new Uint8Array(length);
  }
}

/** Undoes a filter in place (PNG, 9.2); false if there is none of this number. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): boolean {
  switch (filter) {
    case 0:
      return true;
    case 1:
      for (let i = step; i < row.length; i++) row[i] += row[i - step];
      return true;
    case 2:
      for (let i = 0; i < row.length; i++) row[i] += above[i];
      return true;
    case 3:
      for (let i = 0; i < row.length; i++) row[i] += ((i < step ? 0 : row[i - step]) + above[i]) >> 1;
      return true;
    case 4:
      for (let i = 0; i < row.length; i++) {
        row[i] += i < step ? above[i] : paeth(row[i - step], above[i], above[i - step]);
      }
      return true;
    default:
      return false;
  }
}

/** Whichever of left, above and above left is nearest to left + above − above left; ties in this order. */
function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}
