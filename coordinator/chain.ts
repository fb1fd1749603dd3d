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
 * The first step at which two chains are known to differ, found by bisection; null where there is none.
 * @param steps the last step that both have
 * @param differs whether the digests after a step differ, null where that is not known; once they do, all later ones do
 */
export function firstDifferentStep(steps: number, differs: (step: number) => boolean | null): number | null {
  let [same, different] = [-1, steps + 1];
  for (let at = steps; different - same > 1; at = Math.floor((same + different) / 2)) {
    const found = nearestKnown(at, [same, different], differs);
    if (found === null) break;
    if (found.differs) different = found.step;
    else same = found.step;
  }
  return different > steps ? null : different;
}

/** The step itself, the first behind it, or the last before it that something is known of, between two others. */
function nearestKnown(
  at: number,
  [before, behind]: readonly [number, number],
  differs: (step: number) => boolean | null,
): { readonly step: number; readonly differs: boolean } | null {
  for (const [from, direction] of [
    [at, 1],
    [at - 1, -1],
  ]) {
    for (let step = from; step > before && step < behind; step += direction) {
      const known = differs(step);
      if (known !== null) return { step, differs: known };
    }
  }
  return null;
}
