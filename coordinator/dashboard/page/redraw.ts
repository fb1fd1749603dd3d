/** Drawing what has changed: a few times a second at most, and not while nobody can see it. */

const leastMs = 250;

/**
 * Returns what notes that a part has changed. Parts are drawn together, in the order of `draw`.
 */
export function redrawing<Part extends string>(
  draw: ReadonlyMap<Part, readonly (() => void)[]>,
): (parts: readonly Part[]) => void {
  const changed = new Set<Part>();
  let isDue = false;
  let last = Number.NEGATIVE_INFINITY;
  const drawAll = (): void => {
    isDue = false;
    if (document.hidden) return; // as soon as it is seen again
    last = performance.now();
    const now = new Set(changed);
    changed.clear();
    for (const [part, drawers] of draw) {
      if (now.has(part)) for (const one of drawers) one();
    }
  };
  const schedule = (): void => {
    if (isDue || document.hidden || changed.size === 0) return;
    isDue = true;
    setTimeout(() => requestAnimationFrame(drawAll), Math.max(0, last + leastMs - performance.now()));
  };
  document.addEventListener('visibilitychange', () => {
    // A frame that was asked for while the page was hidden may never come.
    isDue = false;
    schedule();
  });
  return (parts) => {
    for (const part of parts) changed.add(part);
    schedule();
  };
}
