/** Errors in units in the last place of binary32. */
const view = new DataView(new ArrayBuffer(8));

/** One unit in the last place of the binary32 numbers about `value` (a binary64 number). */
export function unitAt(value: number): number {
  view.setFloat64(0, value);
  const exponent = ((view.getUint32(0) >>> 20) & 0x7ff) - 1023;
  return 2 ** (Math.max(exponent, -126) - 23);
}

/** How far a result is from the true value, in units in the last place of the true value. */
export function errorInUlps(result: number, truth: number): number {
  return Math.abs(result - truth) / unitAt(truth);
}
