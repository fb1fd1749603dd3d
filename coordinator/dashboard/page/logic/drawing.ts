/** What is drawn with a round pen, as grey values: the same on every browser, for no canvas draws it. */
import type { GreyImage } from '../../../../shared/images/grey-image.ts';

/** Pixels of a side; eight for each of the 28 that the model sees. */
export const drawingSide = 224;
/** Half the width of the pen, in pixels: about as thick as lines are in MNIST. */
const penRadius = 9;

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** White on black, as the model wants it. */
export class Drawing {
  readonly image: GreyImage = {
    width: drawingSide,
    height: drawingSide,
    values: new Float32Array(drawingSide * drawingSide),
  };
  #isEmpty = true;

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  clear(): void {
    this.image.values.fill(0);
    this.#isEmpty = true;
  }

  /** Draws a line with round ends; a point where both ends are the same. Its edge is one pixel soft. */
  line(from: Point, to: Point): void {
    const reach = penRadius + 1;
    const [left, right] = [Math.min(from.x, to.x) - reach, Math.max(from.x, to.x) + reach];
    const [top, bottom] = [Math.min(from.y, to.y) - reach, Math.max(from.y, to.y) + reach];
    const { values } = this.image;
    for (let y = clamped(top); y <= clamped(bottom); y++) {
      for (let x = clamped(left); x <= clamped(right); x++) {
        const distance = distanceTo({ x: x + 0.5, y: y + 0.5 }, from, to);
        const grey = 255 * Math.min(1, Math.max(0, penRadius + 0.5 - distance));
        const at = y * drawingSide + x;
        if (grey > values[at]) values[at] = grey;
        if (grey > 0) this.#isEmpty = false;
      }
    }
  }
}

function clamped(value: number): number {
  return Math.min(drawingSide - 1, Math.max(0, Math.floor(value)));
}

/** From a point to the nearest of a line from `a` to `b`. */
function distanceTo(point: Point, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : ((point.x - a.x) * dx + (point.y - a.y) * dy) / length;
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - a.x - share * dx, point.y - a.y - share * dy);
}
