/** Copies of the model on their way to somebody: few at a time, however many ask and however slowly they read. */
import type { LiveRun } from '../live-run.ts';

export const mostCopies = 2;
/** Whoever takes an answer with a copy has this long, and a second for so many of its bytes. */
const leastMs = 30_000;
const bytesPerSecond = 2 ** 17;

/** How long a copy may be on its way: one who reads ever so slowly would else keep it for ever. */
export function copyTimeoutMs({ bytes }: ModelCopy): number {
  return leastMs + (1000 * bytes.length) / bytesPerSecond;
}

export interface ModelCopy {
  /** Steps after which it was made. */
  readonly steps: number;
  /** The flat vector, little-endian binary32. */
  readonly bytes: Uint8Array;
}

export class ModelCopies {
  /** Those that are being sent, oldest first, each with how often. */
  readonly #out = new Map<ModelCopy, number>();

  /** A copy as new as can be, to be given back; null where there is none just now. */
  take(live: LiveRun): ModelCopy | null {
    const newest = [...this.#out.keys()].at(-1) ?? null;
    const isNewest = newest !== null && newest.steps === live.committed();
    const copy = isNewest || this.#out.size >= mostCopies ? newest : (copyOf(live) ?? newest);
    if (copy !== null) this.#out.set(copy, (this.#out.get(copy) ?? 0) + 1);
    return copy;
  }

  giveBack(copy: ModelCopy): void {
    const others = (this.#out.get(copy) ?? 0) - 1;
    if (others > 0) this.#out.set(copy, others);
    else this.#out.delete(copy);
  }
}

function copyOf(live: LiveRun): ModelCopy | null {
  const now = live.flat();
  if (now === null) return null;
  const { steps, flat } = now;
  return { steps, bytes: new Uint8Array(flat.buffer, flat.byteOffset, flat.byteLength) };
}
