/** From a grey image of any size to the 28×28 bytes of MNIST: bright on dark, where the model looks for it. */
import { type Box, resample } from './area-average.ts';
import type { GreyImage } from './grey-image.ts';

/**
 * How an image that is not 28×28 is brought there: `digit` as MNIST's own were made (Le Cun et al., 1998, III.A), what
 * is drawn fitted into 20×20 and its centre of mass put in the middle; `whole` with all its border.
 */
export const fits = ['digit', 'whole'] as const;
export type Fit = (typeof fits)[number];

const side = 28;
const digitSide = 20;
/** What is drawn begins above this share of the brightest; below is paper, noise and shadow. */
const drawnShare = 0.25;
/** Edges are fainter than this share of the brightest, and say nothing about the line. */
const faintShare = 0.1;
/** Less than this between ground and brightest is an empty image, not a digit. */
const leastContrast = 8;

/**
 * Dark on light, as the border tells, is turned round. An image of 28×28 is otherwise left as it is.
 * @returns (28, 28) bytes
 */
export function toSample(image: GreyImage, fit: Fit): Uint8Array {
  const ground = borderAverage(image);
  const values = ground > 127.5 ? image.values.map((value) => 255 - value) : image.values;
  const upright = { ...image, values };
  if (image.width === side && image.height === side) return bytesOf(values);
  switch (fit) {
    case 'digit':
      return bytesOf(centred(upright, Math.min(ground, 255 - ground)));
    case 'whole':
      return bytesOf(placed(fitted(upright, { ...upright, x: 0, y: 0 }, side), middle));
    default:
      return fit satisfies never;
  }
}

function centred(image: GreyImage, ground: number): Float32Array {
  const brightest = image.values.reduce((most, value) => Math.max(most, value), 0);
  if (brightest - ground < leastContrast) return new Float32Array(side * side);
  const values = image.values.map((value) => Math.max(0, value - ground));
  const box = drawnBox({ ...image, values }, drawnShare * (brightest - ground));
  const small = fitted({ ...image, values }, box, digitSide);
  return placed({ ...small, values: brightened(small.values) }, centreOfMass);
}

/**
 * A thin line loses its brightness when it is made small, and most of what is drawn in MNIST is as bright as can be: so
 * half of what is drawn is here, too.
 */
function brightened(values: Float32Array): Float32Array {
  const most = values.reduce((most, value) => Math.max(most, value), 0);
  const drawn = values.filter((value) => value > faintShare * most).sort();
  const bright = drawn[drawn.length >> 1];
  return values.map((value) => Math.min(255, (value * 255) / bright));
}

/** The average of the outermost pixels. */
function borderAverage({ width, height, values }: GreyImage): number {
  let sum = 0;
  let count = 0;
  for (let y = 0; y < height; y++) {
    const inside = y > 0 && y < height - 1;
    for (let x = 0; x < width; x += inside && x === 0 && width > 1 ? width - 1 : 1) {
      sum += values[y * width + x];
      count += 1;
    }
  }
  return sum / count;
}

/** The smallest box around all that is brighter. */
function drawnBox({ width, height, values }: GreyImage, threshold: number): Box {
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (values[y * width + x] < threshold) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Where along one side of 28 pixels something of `length` begins, given how much of it lies where. */
type Placing = (length: number, weights: Float32Array) => number;

const middle: Placing = (length) => Math.floor((side - length) / 2);

/** On pixel 14 of 0 … 27, as MNIST has it: half a pixel right of the middle and below. */
const centreOfMass: Placing = (length, weights) => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const centre = weights.reduce((sum, weight, i) => sum + weight * i, 0) / total;
  return Math.min(side - length, Math.max(0, Math.round(side / 2 - centre)));
};

/** A box of an image made so large that its longer side has `longest` pixels; its aspect is kept. */
function fitted(image: GreyImage, box: Box, longest: number): GreyImage {
  const scale = longest / Math.max(box.width, box.height);
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  return { width, height, values: resample(image, box, width, height) };
}

/** A small image on 28×28. */
function placed({ width, height, values }: GreyImage, place: Placing): Float32Array {
  const columns = new Float32Array(width);
  const rows = new Float32Array(height);
  for (const [i, value] of values.entries()) {
    columns[i % width] += value;
    rows[Math.floor(i / width)] += value;
  }
  const [left, top] = [place(width, columns), place(height, rows)];
  const sample = new Float32Array(side * side);
  for (let y = 0; y < height; y++) {
    sample.set(values.subarray(y * width, (y + 1) * width), (top + y) * side + left);
  }
  return sample;
}

function bytesOf(values: Float32Array): Uint8Array {
  return Uint8Array.from(values, (value) => Math.round(value));
}
