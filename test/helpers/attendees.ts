/** What ranks of tests bring to a muster. */
import { canonicalJson, type Recipe } from '../../shared/recipe/recipe.ts';
import type { Attendee } from '../../worker/mpi/attendee.ts';

export const recipe: Recipe = {
  ...{ arithmetic: 1, dataset: 'a'.repeat(64), trainSamples: null, scale: 'signed', model: 'dense(10)' },
  ...{ init: 'he', optimizer: 'sgd(lr=0.1)', schedule: 'constant', batchSize: 64, shardSize: 16 },
  ...{ batchNorm: 'sync', dropLast: false, resetRunningStats: 'never', epochs: 10, seed: 0 },
};

/** A rank on host `a` that fits to all others like it. */
export function attendee(different: Partial<Attendee> = {}): Attendee {
  return {
    ...{ format: 1, lockstep: '0.1.0', protocol: 1, arithmetic: 1, host: 'a', pid: 12, node: 'v22.0.0' },
    ...{ platform: 'linux-x64', threads: 2, kernels: 'wasm', answer: '0'.repeat(64) },
    ...{ recipe: canonicalJson(recipe), same: {}, error: null },
    ...different,
  };
}
