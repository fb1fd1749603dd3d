/**
 * Fair turns on a noisy machine. All sides are there at the same time and run one after the other, round by round, so
 * that a slow minute is everybody's; each round begins with another side; the medians are compared.
 */

/** What a side did in a turn. */
export interface Reading {
  readonly samples: number;
  readonly seconds: number;
}

/** Something that trains when it is its turn, and is idle otherwise. */
export interface Side {
  /** Trains for about so many seconds. */
  run(seconds: number): Promise<Reading>;
  close(): Promise<void>;
}

/**
 * The first turn of a side does not count and is this many times longer: every thread's JavaScript is compiled anew, on
 * the cores that the others would need.
 */
export const warmUpTurns = 4;

export interface Turns {
  /** Rounds that count; there is one before them to warm up. */
  readonly rounds: number;
  /** Seconds of a turn. */
  readonly seconds: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before every turn with how many there were before, of how many. */
  readonly onTurn?: ((done: number, all: number) => void) | undefined;
}

/**
 * Runs all sides in turns. @returns samples per second, by side and round
 * @throws the signal's reason, between two turns
 */
export async function interleave(
  sides: readonly Pick<Side, 'run'>[],
  { rounds, seconds, signal, onTurn }: Turns,
): Promise<number[][]> {
  const speeds: number[][] = sides.map(() => []);
  let done = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const [i, side] of rotated([...sides.entries()], round)) {
      signal?.throwIfAborted();
      onTurn?.(done, sides.length * (rounds + 1));
      const reading = await side.run(round === 0 ? warmUpTurns * seconds : seconds);
      done += 1;
      if (round > 0) speeds[i].push(reading.samples / reading.seconds);
    }
  }
  return speeds;
}

/** A list that begins with another of its items, the rest in the same circle. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** The middle value, or the mean of the two in the middle. @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** How far values lie from their median: half of the distance from the least to the largest, as a share of it. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values);
}
