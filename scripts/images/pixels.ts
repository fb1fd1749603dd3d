/** What the samples of a PNG mean: grey by luminance, and opacity. */
import type { Canvas } from './canvas.ts';
import type { Fail, PngChunks } from './png.ts';
import type { Pass, PngHeader } from './png-rows.ts';

export class PixelReader {
  /** The grey of the background that the file names, 0 … 255, or null. */
  readonly background: number | null;
  readonly #header: PngHeader;
  readonly #canvas: Canvas;
  readonly #fail: Fail;
  /** 255 ÷ the largest sample. */
  readonly #unit: number;
  /** By index of a palette's colour: grey and opacity. */
  readonly #colours: readonly (readonly [grey: number, opacity: number])[];
  /** The samples of the one colour that is transparent. */
  readonly #hidden: readonly number[] | null;

  constructor({ header, palette, transparency, background }: PngChunks, canvas: Canvas, fail: Fail) {
    this.#header = header;
    this.#canvas = canvas;
    this.#fail = fail;
    this.#unit = 255 / (2 ** header.depth - 1);
    const isPalette = header.colourType === 3;
    this.#colours = isPalette ? coloursOf(palette ?? new Uint8Array(), transparency ?? new Uint8Array()) : [];
    this.#hidden = isPalette || transparency === null ? null : words(transparency, header, 'tRNS', fail);
    this.background = background === null ? null : this.#backgroundOf(background);
  }

  /** Puts a row of a pass on the canvas. */
  take(row: Uint8Array, pass: Pass, y: number): void {
    const { depth, channels, colourType } = this.#header;
    const top = pass.y + y * pass.dy;
    const samples = [0, 0, 0, 0];
    for (let i = 0; i < pass.width; i++) {
      for (let c = 0; c < channels; c++) samples[c] = sampleAt(row, i * channels + c, depth);
      const x = pass.x + i * pass.dx;
      if (colourType === 3) {
        const colour =
          this.#colours[samples[0]] ??
          this.#fail(`a pixel has colour ${samples[0]} of ${this.#colours.length}`);
        this.#canvas.add(x, top, colour[0], colour[1]);
      } else this.#canvas.add(x, top, this.#greyOf(samples), this.#opacityOf(samples));
    }
  }

  #greyOf(samples: readonly number[]): number {
    const { colourType } = this.#header;
    const isColour = colourType === 2 || colourType === 6;
    return Math.min(
      255,
      this.#unit * (isColour ? luminance(samples[0], samples[1], samples[2]) : samples[0]),
    );
  }

  #opacityOf(samples: readonly number[]): number {
    const { colourType, channels } = this.#header;
    if (colourType === 4 || colourType === 6) return (samples[channels - 1] * this.#unit) / 255;
    return this.#hidden?.every((sample, c) => sample === samples[c]) ? 0 : 1;
  }

  #backgroundOf(chunk: Uint8Array): number {
    if (this.#header.colourType !== 3) return this.#greyOf(words(chunk, this.#header, 'bKGD', this.#fail));
    const colour = this.#colours[chunk[0]];
    return colour === undefined
      ? this.#fail(`the background is colour ${chunk[0]} of ${this.#colours.length}`)
      : colour[0];
  }
}

/** Rec. 601; three that are equal give just that. */
function luminance(red: number, green: number, blue: number): number {
  return (299 * red + 587 * green + 114 * blue) / 1000;
}

function coloursOf(palette: Uint8Array, transparency: Uint8Array): (readonly [number, number])[] {
  return Array.from({ length: palette.length / 3 }, (_, i) => {
    const [red, green, blue] = palette.subarray(3 * i, 3 * i + 3);
    return [luminance(red, green, blue), (transparency[i] ?? 255) / 255];
  });
}

/** The samples of one pixel without opacity, 16 bits each, as tRNS and bKGD have them. */
function words(chunk: Uint8Array, { colourType }: PngHeader, name: string, fail: Fail): number[] {
  const count = colourType === 2 || colourType === 6 ? 3 : 1;
  if (chunk.length !== 2 * count)
    return fail(`chunk ${name} has ${chunk.length} bytes, expected ${2 * count}`);
  return Array.from({ length: count }, (_, i) => sampleAt(chunk, i, 16));
}

/** Sample number `index` of a row; the first ones stand in the high bits of a byte. */
function sampleAt(row: Uint8Array, index: number, depth: number): number {
  if (depth === 8) return row[index];
  if (depth === 16) return (row[2 * index] << 8) | row[2 * index + 1];
  const bit = index * depth;
  return (row[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}
