/**
 * The chain of a run: a digest after every step, which stands for all steps so far and the model that they began with. Two
 * runs whose digests after a step are equal have done the same until then, so the first step at which they differ is found
 * by bisection.
 */
import { createHash } from 'node:crypto';

/** Bytes of a digest, SHA-256. */
export const digestBytes = 32;

/** True for a digest in hexadecimal. */
export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}

/**
 * The digest after a step: SHA-256 of the digest before it, the number of the step, and the checksum of everything that its
 * update wrote, both as 64 bits, little-endian. The digest before the first step is the weights digest of the initial model.
 * @param before in hexadecimal
 * @param step counted from 1 over the whole run
 */
export function nextDigest(before: string, step: number, checksum: bigint): string {
  const bytes = Buffer.alloc(digestBytes + 16);
  bytes.write(before, 'hex');
  bytes.writeBigUInt64LE(BigInt(step), digestBytes);
  bytes.writeBigUInt64LE(checksum, digestBytes + 8);
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * The first step at which two chains differ, found by bisection; null where they agree to the end.
 * @param steps the last step that both have
 * @param differs whether the digests after a step differ; once they do, all that follow do
 */
export function firstDifferentStep(steps: number, differs: (step: number) => boolean): number | null {
  if (!differs(steps)) return null;
  let [same, different] = [-1, steps];
  while (different - same > 1) {
    const middle = Math.floor((same + different) / 2);
    if (differs(middle)) different = middle;
    else same = middle;
  }
  return different;
}
