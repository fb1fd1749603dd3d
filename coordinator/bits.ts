/**
 * The first place where two partials differ, or null if they are the same bit for bit. NaN is the same as NaN: its
 * bits differ between processors, and it is an error for reasons of its own. One that is longer differs at its end.
 */
export function firstDifference(a: Float32Array, b: Float32Array): number | null {
  if (bytesOf(a).equals(bytesOf(b))) return null;
  const [x, y] = [wordsOf(a), wordsOf(b)];
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== y[i] && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return i;
  }
  return a.length === b.length ? null : a.length;
}

/** True if none of the values is NaN or infinite. */
export function areFinite(values: Float32Array): boolean {
  // 0 where all are finite, else NaN. A test of each takes half as long again, as a callback ten times.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * 0;
  return sum === 0;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function wordsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}
