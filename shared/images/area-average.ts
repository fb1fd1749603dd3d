/** Resampling in which every pixel is the average of the area that it stands for. */
import type { GreyImage } from './grey-image.ts';

/** A part of an image, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A box of an image on `width` × `height` pixels, row by row. */
export function resample(image: GreyImage, box: Box, width: number, height: number): Float32Array {
  const across = sharesOf(box.x, box.width, width);
  const down = sharesOf(box.y, box.height, height);
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [row, rowShare] of down[y]) {
        for (const [column, share] of across[x]) {
          sum += rowShare * share * image.values[row * image.width + column];
        }
      }
      out[y * width + x] = sum;
    }
  }
  return out;
}

/** For each of `count` new pixels along a side: the old ones that it covers, and its share in each; shares sum to 1. */
function sharesOf(from: number, length: number, count: number): [pixel: number, share: number][][] {
  const step = length / count;
  return Array.from({ length: count }, (_, i) => {
    const [begin, end] = [i * step, Math.min(length, (i + 1) * step)];
    const shares: [number, number][] = [];
    for (let pixel = Math.floor(begin); pixel < Math.min(length, Math.ceil(end)); pixel++) {
      const overlap = Math.min(end, pixel + 1) - Math.max(begin, pixel);
      if (overlap > 0) shares.push([from + pixel, overlap / step]);
    }
    return shares;
  });
}
