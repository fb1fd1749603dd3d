import { panelBytes, panelWidth } from '../kernels.ts';

/** The shared memory as the twin sees it: by byte offset, like the kernels. */
export class Views {
  readonly bytes: Uint8Array;
  readonly floats: Float32Array;
  readonly words: Uint32Array;

  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer);
    this.floats = new Float32Array(buffer);
    this.words = new Uint32Array(buffer);
  }

  get(offset: number): number {
    return this.floats[offset / 4];
  }

  set(offset: number, value: number): void {
    this.floats[offset / 4] = value;
  }

  /** The sample number at a place of the order (0: samples as they lie). */
  sample(order: number, place: number): number {
    return order === 0 ? place : this.words[order / 4 + place];
  }
}

/** The byte at which element (row, column) of a panelled matrix stands. */
export function at(matrix: number, stride: number, row: number, column: number): number {
  const panel = Math.floor(column / panelWidth);
  return matrix + panel * stride + row * panelBytes + (column % panelWidth) * 4;
}
