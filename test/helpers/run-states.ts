/** States of runs with a value of its own everywhere, for tests of checkpoints. */
import type { EpochReport } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import type { Architecture } from '../../shared/model/architecture.ts';
import { counterNames, type Snapshot, takeSnapshot } from '../../shared/model/snapshot.ts';
import { isTrained, packTensor, valueCount } from '../../shared/model/tensors.ts';
import type { Recipe } from '../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../shared/recipe/resolve.ts';
import { architectureOf } from '../../shared/recipe/stored.ts';
import { randomWords } from './values.ts';

export interface RunSample {
  readonly architecture: Architecture;
  readonly recipe: Recipe;
  readonly state: RunState;
}

export interface SampleOptions {
  /** A checkpoint of the default model has 8 KiB. */
  readonly model?: string;
  readonly seed?: number;
  readonly epoch?: number;
  readonly step?: number;
  readonly stopping?: 'none' | 'before the first' | 'best';
}

export function sampleRun(options: SampleOptions = {}): RunSample {
  const { model = 'dense(1) dense(10)', seed = 1, epoch = 3, step = 17, stopping = 'none' } = options;
  const random = randomWords(seed);
  const fraction = (): number => random() / 2 ** 32 + random() / 2 ** 64;
  const recipe = finishRecipe(
    draftRecipe({ model, optimizer: 'sgd(lr=0.1,momentum=0.9)', epochs: 20 }, (key) => key),
    'ab'.repeat(32),
  );
  const architecture = architectureOf(recipe.model, 'model');

  /** A flat vector with padding 0. */
  const flat = (isIn: (role: Architecture['tensors'][number]['role']) => boolean): Float32Array => {
    const values = new Float32Array(architecture.flatSize);
    for (const tensor of architecture.tensors.filter(({ role }) => isIn(role))) {
      packTensor(
        values,
        tensor,
        Float32Array.from({ length: valueCount(tensor) }, () => fraction() - 0.5),
      );
    }
    return values;
  };
  const snapshot = (): Snapshot => {
    const counters = counterNames(architecture).map((name): [string, bigint] => [
      name,
      2n ** 53n + BigInt(random()),
    ]);
    return takeSnapshot(
      architecture,
      flat(() => true),
      new Map(counters),
    );
  };
  const epochs: EpochReport[] = [];
  for (let i = 1; i <= epoch; i++) {
    const loss = fraction();
    const before = epochs.at(-1);
    epochs.push({
      epoch: i,
      steps: 100 * i,
      loss,
      change: before === undefined ? null : loss - before.loss,
      testLoss: fraction(),
      testAccuracy: fraction(),
      seconds: fraction(),
      // A clock too coarse for the epoch gives this.
      samplesPerSecond: i === 1 ? Number.POSITIVE_INFINITY : 1e5 * fraction(),
    });
  }
  const best = { value: fraction(), epoch: Math.max(1, epoch - 1) };
  return {
    architecture,
    recipe,
    state: {
      snapshot: snapshot(),
      optimizer: flat(isTrained),
      epoch,
      step,
      lossSum: step === 0 ? 0 : 1000 * fraction(),
      epochs,
      stopping:
        stopping === 'none'
          ? null
          : stopping === 'best'
            ? { worse: 1, best: { ...best, snapshot: snapshot() } }
            : { worse: 0, best: null },
      chain: random().toString(16).padStart(8, '0').repeat(8),
    },
  };
}
