/** What happens in one simulated run, drawn from its seed. */
import { Dice } from './dice.ts';
import type { Weather } from './pipe.ts';

export const faultKinds = [
  'kill',
  'powerLoss',
  'freeze',
  'cut',
  'cutUp',
  'cutDown',
  'bulkStall',
  'reset',
  'reconnect',
  'leave',
  'throw',
  'nan',
  'evaluationNan',
  'replica',
  'slow',
  'join',
  'freezeCoordinator',
  'foreignFrames',
  'kill sending hello',
  'kill taking welcome',
  'kill sending join',
  'kill taking replica',
  'kill sending ready',
  'kill taking assign',
  'kill sending partial',
  'kill sent partial',
  'kill taking total',
  'kill taking evaluate',
  'kill sending evaluation',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** It is due so many milliseconds after so many steps were committed. */
  readonly committed: number;
  readonly delayMs: number;
  /** How long it lasts, where that means something. */
  readonly durationMs: number;
  /** After so long somebody comes in place of one that is gone; as a new worker, or with the same id. */
  readonly replaceMs: number;
  readonly isSameId: boolean;
}

export interface Newcomer {
  readonly startMs: number;
  readonly shardMs: number;
  readonly prepareMs: number;
  readonly fetches: boolean;
}

export interface Schedule {
  readonly seed: number;
  /** Index of the recipe. */
  readonly recipe: number;
  readonly weather: Weather;
  readonly workers: readonly Newcomer[];
  /** Whether nothing ever happens to the first worker. */
  readonly hasAnchor: boolean;
  readonly waitFor: number;
  readonly minWorkers: number;
  readonly stepTimeoutMs: number;
  readonly faults: readonly Fault[];
  /** Somebody is killed this often, from the first step to the last; null for nobody. */
  readonly killEveryMs: number | null;
}

/** Longer than any fault lasts. */
export const workerTimeoutMs = 300_000;

/** Draws a schedule over recipes of so many steps; in a storm somebody is killed every 200 ms. */
export function drawSchedule(seed: number, steps: readonly number[], mustStorm = false): Schedule {
  const dice = new Dice(seed, 1);
  const recipe = dice.whole(0, steps.length - 1);
  const isStorm = mustStorm || dice.chance(0.08);
  // In a storm nobody who is slow or far away ever gets anything done.
  const isFar = dice.chance(0.2) && !isStorm;
  const weather = {
    latencyMs: isFar ? dice.between(10, 60) : dice.between(0.1, 3),
    jitterMs: dice.chance(0.3) ? dice.between(0, 50) : dice.between(0, 2),
    lossChance: dice.chance(0.3) ? dice.between(0, 0.05) : 0,
    bytesPerMs: dice.chance(0.3) ? dice.between(2_000, 20_000) : 1_000_000,
    duplicateChance: dice.chance(0.4) ? dice.between(0.02, 0.4) : 0,
  };
  const count = dice.whole(1, 5);
  const isFast = dice.chance(0.7) || isStorm;
  const newcomer = (startMs: number): Newcomer => ({
    startMs,
    shardMs: isFast ? dice.between(0.2, 3) : dice.between(1, 40),
    prepareMs: dice.between(0, 200),
    fetches: dice.chance(0.2),
  });
  const workers = Array.from({ length: count }, () => newcomer(dice.between(0, 500)));
  const faultCount = isStorm ? 0 : dice.whole(0, 7);
  return {
    seed,
    recipe,
    weather,
    workers,
    hasAnchor: !isStorm && dice.chance(0.7),
    waitFor: isStorm || dice.chance(0.5) ? 1 : count,
    minWorkers: isStorm || dice.chance(0.8) ? 1 : Math.min(2, count),
    stepTimeoutMs: dice.chance(0.2) ? dice.between(100, 900) : dice.between(1000, 5000),
    faults: Array.from({ length: faultCount }, () => drawFault(dice, steps[recipe])),
    killEveryMs: isStorm ? 200 : null,
  };
}

function drawFault(dice: Dice, steps: number): Fault {
  return {
    kind: dice.pick(faultKinds) ?? 'kill',
    // The first and the last step and their evaluations are where things go wrong.
    committed: dice.chance(0.2) ? 0 : dice.chance(0.25) ? steps - 1 : dice.whole(0, steps - 1),
    delayMs: dice.chance(0.5) ? dice.between(0, 20) : dice.between(0, 200),
    durationMs: dice.chance(0.5) ? dice.between(20, 4_000) : dice.between(4_000, 40_000),
    replaceMs: dice.between(0, 3_000),
    isSameId: dice.chance(0.3),
  };
}
