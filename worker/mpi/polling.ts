/** Waiting for what MPI does by itself only while it is asked. */
import { setImmediate, setTimeout } from 'node:timers/promises';

/** What is asked for with every turn of the event loop at first, then every millisecond: other ranks may need this core. */
const eagerMs = 0.2;
const pauseMs = 1;

/** Asks until it is so, and returns true, or until the deadline and returns false. It is asked once at least. */
export async function poll(isSo: () => boolean, deadlineMs: number): Promise<boolean> {
  const startMs = performance.now();
  while (!isSo()) {
    const goneMs = performance.now() - startMs;
    if (goneMs >= deadlineMs) return false;
    await (goneMs < eagerMs ? setImmediate() : setTimeout(pauseMs));
  }
  return true;
}
