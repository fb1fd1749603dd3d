/** Where pixels of an image of any size are gathered: large ones are averaged by squares while they are read. */

import type { GreyImage } from '../../shared/images/grey-image.ts';

/** Five hundred each way is far more than 28×28 can show, and takes 2 MiB. */
const mostCells = 2 ** 18;

export class Canvas {
  readonly #width: number;
  readonly #height: number;
  /** Pixels along the side of a cell: 1 unless the image is large. */
  readonly #side: number;
  readonly #columns: number;
  /** By cell: Σ grey · opacity, Σ opacity. */
  readonly #light: Float32Array;
  readonly #cover: Float32Array;

  constructor(width: number, height: number) {
    let side = 1;
    while (Math.ceil(width / side) * Math.ceil(height / side) > mostCells) side++;
    this.#width = width;
    this.#height = height;
    this.#side = side;
    this.#columns = Math.ceil(width / side);
    const cells = this.#columns * Math.ceil(height / side);
    this.#light = new Float32Array(cells);
    this.#cover = new Float32Array(cells);
  }

  /** @param grey 0 … 255 @param opacity 0 … 1 */
  add(x: number, y: number, grey: number, opacity: number): void {
    const side = this.#side;
    const cell =
      side === 1 ? y * this.#columns + x : Math.floor(y / side) * this.#columns + Math.floor(x / side);
    this.#light[cell] += grey * opacity;
    this.#cover[cell] += opacity;
  }

  /**
   * The image over a background. Where none is known it is white, as in a browser, or black where what is drawn is
   * lighter than dark and would be lost on white.
   * @param background 0 … 255, or null if it is not known
   */
  flatten(background: number | null): GreyImage {
    const values = this.#light;
    const ground = background ?? (this.#averageLight() > 127.5 ? 0 : 255);
    for (let cell = 0; cell < values.length; cell++) {
      const pixels = this.#pixelsOf(cell);
      values[cell] = (values[cell] + ground * (pixels - this.#cover[cell])) / pixels;
    }
    return { width: this.#columns, height: values.length / this.#columns, values };
  }

  /** Of what is opaque. */
  #averageLight(): number {
    const sum = (list: Float32Array) => list.reduce((total, value) => total + value, 0);
    return sum(this.#light) / sum(this.#cover);
  }

  /** Cells at the right and at the bottom may be cut off. */
  #pixelsOf(cell: number): number {
    const side = this.#side;
    const x = (cell % this.#columns) * side;
    const y = Math.floor(cell / this.#columns) * side;
    return Math.min(side, this.#width - x) * Math.min(side, this.#height - y);
  }
}
