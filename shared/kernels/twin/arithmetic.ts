/**
 * The slow twin's arithmetic: binary32 by `Math.fround`, which is exact for + − × ÷ √ of binary32 numbers
 * computed in binary64 (53 ≥ 2 · 24 + 2 digits), and the fused multiply-add spelled out.
 */
export const f = Math.fround;

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** a · b + c with one rounding to binary32 (arguments are binary32). */
export function fma(a: number, b: number, c: number): number {
  const product = a * b; // exact in binary64
  const sum = product + c;
  const cPart = sum - product;
  const error = product - (sum - cPart) + (c - cPart); // Knuth's two-sum: exact
  if (error === 0 || Number.isNaN(error)) return f(sum);
  // Round the sum to odd, so that the second rounding sees that something was cut off.
  double[0] = sum;
  if ((halves[0] & 1) === 0) {
    if (error > 0 === sum > 0) halves[0] += 1;
    else if (halves[0] === 0) {
      halves[0] = 0xffffffff;
      halves[1] -= 1;
    } else halves[0] -= 1;
  }
  return f(double[0]);
}

/** To the nearest integer, ties to even, as the processor's instruction does. */
export function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** 1 if a value is NaN or infinite, else 0. */
export function nonFinite(value: number): number {
  return Number.isFinite(value) ? 0 : 1;
}
