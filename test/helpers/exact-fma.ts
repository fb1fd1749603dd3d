/**
 * a · b + c rounded once to binary32, worked out in whole numbers: every binary32 is a multiple of 2⁻¹⁴⁹, every
 * product of two a multiple of 2⁻²⁹⁸, so the exact value is one BigInt.
 */
import { bitsOf } from './values.ts';

/** A finite binary32 as a multiple of 2⁻¹⁴⁹. */
function wholeOf(value: number): bigint {
  const bits = bitsOf(value);
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = BigInt((bits & 0x7fffff) | (exponent === 0 ? 0 : 0x800000));
  const whole = mantissa << BigInt(Math.max(exponent, 1) - 1);
  return bits >>> 31 === 1 ? -whole : whole;
}

/** A multiple of 2⁻²⁹⁸, not 0, to the nearest binary32, ties to the even one. */
function roundOnce(whole: bigint): number {
  const size = whole < 0n ? -whole : whole;
  const digits = size.toString(2).length;
  // 24 digits are kept, fewer where the last of them would be worth less than 2⁻¹⁴⁹.
  const cut = BigInt(Math.max(digits - 24, 298 - 149));
  let kept = size >> cut;
  const rest = size - (kept << cut);
  const half = 1n << (cut - 1n);
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept += 1n;
  // At most 2²⁴ times a power of two: exact in binary64, and infinite only as binary32.
  const value = Math.fround(Number(kept) * 2 ** (Number(cut) - 298));
  return whole < 0n ? -value : value;
}

export function exactFma(a: number, b: number, c: number): number {
  // NaN and infinity follow from the signs alone, and those of the operations are right in binary64.
  if (![a, b, c].every(Number.isFinite)) return Math.fround(a * b + c);
  const whole = wholeOf(a) * wholeOf(b) + (wholeOf(c) << 149n);
  if (whole !== 0n) return roundOnce(whole);
  // An exact zero is −0 only if both of its terms are.
  const isNegative = (x: number): boolean => x < 0 || Object.is(x, -0);
  const productIsNegative = isNegative(a) !== isNegative(b);
  const productIsZero = a === 0 || b === 0;
  return productIsZero && productIsNegative && Object.is(c, -0) ? -0 : 0;
}
