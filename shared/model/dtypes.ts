/** The kinds of numbers of safetensors files, and which of them can become parameters. */

/**
 * Each with the array that holds it. JavaScript has no F16, BF16 and F8: their bits are held instead.
 * https://docs.rs/safetensors/latest/safetensors/tensor/enum.Dtype.html
 */
export const dtypes = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  F8_E5M2: Uint8Array,
  F8_E4M3: Uint8Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export type Dtype = keyof typeof dtypes;
export type StoredValues =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

export function isDtype(text: unknown): text is Dtype {
  return typeof text === 'string' && Object.hasOwn(dtypes, text);
}

/** So many of the smallest binary16, 2⁻²⁴, are 1. */
const smallestHalves = 2 ** 24;

/** Values as binary32: F16 and BF16 exactly, F64 rounded to the nearest; null for all that are no such floats. */
export function toFloats(dtype: Dtype, values: StoredValues): Float32Array | null {
  if (values instanceof Float32Array) return values;
  if (values instanceof Float64Array) return Float32Array.from(values);
  if (!(values instanceof Uint16Array) || dtype === 'U16') return null;
  const floats = new Float32Array(values.length);
  const bits = new Uint32Array(floats.buffer);
  for (let i = 0; i < values.length; i++) {
    // A BF16 is the upper half of a binary32.
    if (dtype === 'BF16') bits[i] = values[i] << 16;
    else floats[i] = halfValue(values[i]);
  }
  return floats;
}

/** A binary16: sign, 5 bits of exponent with bias 15, 10 of fraction. Every operation is exact. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return (sign * fraction) / smallestHalves;
  // 2 to the exponent − 15, times 1024 and a fraction of 1024.
  return (sign * (1024 + fraction) * (1 << exponent)) / (smallestHalves * 2);
}
