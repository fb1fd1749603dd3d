/** Random recipes for property tests: everything that decides the order of sums is drawn awkwardly. */
import fc from 'fast-check';
import { classCount } from '../../shared/data/dataset.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';

/** A recipe whose shape is known without parsing it. */
export type RandomRecipe = RecipeFields & {
  readonly model: string;
  readonly trainSamples: number;
  readonly batchSize: number;
  readonly shardSize: number;
  readonly batchNorm: 'sync' | 'ghost';
  readonly dropLast: boolean;
};

const batchNorm = fc
  .record({
    momentum: fc.constantFrom('0', '0.5', '0.9', '1'),
    epsilon: fc.constantFrom('1e-5', '1e-3'),
    scale: fc.constantFrom('1', 'uniform'),
    variance: fc.constantFrom('biased', 'unbiased'),
  })
  .map((options) => {
    const texts = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    return `batchnorm(${texts.join(',')})`;
  });
const activation = fc.constantFrom('sigmoid', 'relu', 'tanh', 'affine(slope=0.75,intercept=-0.125)', '');
/** No multiple of 8, so that no vector is full. */
const width = fc.integer({ min: 1, max: 40 }).filter((units) => units % 8 !== 0);

/** 1 to 4 dense layers; in every gap, also before the first and after the last, perhaps a batch norm and more. */
const model = fc
  .record({
    widths: fc.array(width, { maxLength: 3, size: 'max' }),
    /** Of each gap: what stands there, and whether the batch norm stands before the activation. */
    gaps: fc.array(fc.tuple(activation, batchNorm, fc.boolean()), { minLength: 5, maxLength: 5 }),
    batchNorms: fc.nat({ max: 3 }),
    gapOrder: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
  })
  .map(({ widths, gaps, batchNorms, gapOrder }) => {
    const dense = [...widths, classCount].map((units) => `dense(${units})`);
    const chosen = new Set(gapOrder.filter((gap) => gap <= dense.length).slice(0, batchNorms));
    const inGap = (gap: number): string[] => {
      const [other, norm, normFirst] = gaps[gap];
      const norms = chosen.has(gap) ? [norm] : [];
      return normFirst ? [...norms, other] : [other, ...norms];
    };
    const layers = [...inGap(0), ...dense.flatMap((layer, i) => [layer, ...inGap(i + 1)])];
    return layers.filter((layer) => layer !== '').join(' ');
  });

const optimizer = fc
  .record({
    lr: fc.constantFrom('0.01', '0.05', '0.1'),
    momentum: fc.constantFrom('0', '0.5', '0.9'),
    nesterov: fc.boolean(),
    weightDecay: fc.constantFrom('0', '0.001', '0.01'),
  })
  .map(({ lr, momentum, nesterov, weightDecay }) => {
    const legal = nesterov && momentum !== '0';
    return `sgd(lr=${lr},momentum=${momentum},nesterov=${legal},weightDecay=${weightDecay})`;
  });

/** How the shard size relates to the batch. */
const shard = fc.oneof(
  fc.constant(1),
  { arbitrary: fc.integer({ min: 2, max: 9 }), weight: 4 },
  fc.constant(80), // larger than the batch is one shard
);

/** Recipes for at most `available` samples; about every third has a last batch of a single sample. */
export function randomRecipe(available: number): fc.Arbitrary<RandomRecipe> {
  // Without bias: the awkward is drawn as often as the smallest.
  return fc
    .noBias(
      fc.record({
        model,
        batchSize: fc.integer({ min: 1, max: 33 }),
        wholeBatches: fc.integer({ min: 2, max: 4 }),
        rest: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 32 })),
        shardSize: shard,
        batchNorm: fc.constantFrom('sync', 'ghost'),
        optimizer,
        scale: fc.constantFrom('signed', 'standard', 'unit'),
        init: fc.constantFrom('he', 'glorot', 'normal(std=0.1)', 'uniform(range=0.1)'),
        dropLast: fc.boolean(),
        resetRunningStats: fc.constantFrom('never', 'start', 'epoch'),
        epochs: fc.integer({ min: 1, max: 2 }),
        seed: fc.nat({ max: 2 ** 32 - 1 }),
      }),
    )
    .map(({ wholeBatches, rest, ...fields }) => {
      const samples = wholeBatches * fields.batchSize + Math.min(rest, fields.batchSize - 1);
      return { ...fields, trainSamples: Math.min(samples, available) } as const;
    });
}
