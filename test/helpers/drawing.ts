/** Grey images for tests: what is drawn on them, and where. */
import type { GreyImage } from '../../shared/images/grey-image.ts';

export function drawn(width: number, height: number, greyAt: (x: number, y: number) => number): GreyImage {
  const values = Float32Array.from({ length: width * height }, (_, i) =>
    greyAt(i % width, Math.floor(i / width)),
  );
  return { width, height, values };
}

/** A sample of (28, 28) bytes enlarged by a whole number, black on white, with its corner at (x, y) of a larger image. */
export function onPaper(
  sample: Uint8Array,
  scale: number,
  width: number,
  height: number,
  x: number,
  y: number,
): GreyImage {
  return drawn(width, height, (column, row) => {
    const [across, down] = [Math.floor((column - x) / scale), Math.floor((row - y) / scale)];
    const inside = across >= 0 && across < 28 && down >= 0 && down < 28;
    return 255 - (inside ? sample[down * 28 + across] : 0);
  });
}
