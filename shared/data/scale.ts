/** How a byte of an image becomes a number of the training path, each operation rounded to binary32. */
const f = Math.fround;

const scales = {
  /** The note's: (x ÷ 255 − 0.5) · 2. */
  signed: (x: number) => f(f(f(x / 255) - 0.5) * 2),
  /** MNIST's mean and standard deviation: (x ÷ 255 − 0.1307) ÷ 0.3081. */
  standard: (x: number) => f(f(f(x / 255) - f(0.1307)) / f(0.3081)),
  unit: (x: number) => f(x / 255),
};

export type Scale = keyof typeof scales;
export const scaleNames = Object.keys(scales) as Scale[];

/** Fills the table of 256 values through which batches are gathered. */
export function fillScaleTable(table: Float32Array, scale: Scale): void {
  for (let x = 0; x < 256; x++) table[x] = scales[scale](x);
}
