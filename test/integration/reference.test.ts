/**
 * Right, and not only consistent: 50 steps on MNIST against the plain binary64 reference, which shares no code
 * with the product.
 *
 * Tolerances. What a step stores is rounded to binary32 once, by at most u = 2⁻²⁴ of its size, so after T steps
 * T · u has come together if all errors point the same way. The rounding of gradients adds little, since a step
 * changes a value by a small part of its size. A stable training does not enlarge what came before (its steps
 * multiply errors by 1 − rate · curvature); a factor 2 is for what momentum and batch norm enlarge for a while:
 * 2 · 50 · 2⁻²⁴ = 6.0e-6, in units of the largest value of a layer. Errors mostly cancel: measured were 1.1e-6 in a
 * tensor and 4.8e-7 in a loss at most. Any wrong formula below is off by a hundred times the tolerance or more.
 */
import t from 'tap';
import { ghost, type JudgedRecipe, judgedRecipes, threeNorms } from '../helpers/judged-recipes.ts';
import {
  batchOf,
  type JudgedTraining,
  someMnist,
  tensorErrors,
  trainForJudge,
  worstRelative,
} from '../helpers/judged-training.ts';
import type { Layer } from '../helpers/reference/layers.ts';
import { ReferenceNetwork, type ReferenceOptions } from '../helpers/reference/network.ts';

const steps = 50;
const tensorTolerance = 2 * steps * 2 ** -24;
const lossTolerance = 1e-5;

const source = await someMnist(3500, 300);
t.setTimeout(120_000);

for (const recipe of judgedRecipes) {
  t.test(`${recipe.name}: ${steps} steps are those of the reference`, async (t) => {
    const training = await trainForJudge(recipe, source, steps);
    const { network, losses } = judge(recipe, training, recipe.layers, recipe.options);

    const lossError = worstRelative(training.trained.losses, losses);
    t.ok(lossError <= lossTolerance, `losses: ${lossError} off, at most ${lossTolerance} allowed`);
    const { tensors } = training.trained.snapshot;
    t.strictSame([...tensors.keys()], [...network.tensors.keys()], 'the same tensors in the same order');
    const moved = tensorErrors(training.initial.snapshot.tensors, network.tensors);
    for (const [name, error] of tensorErrors(tensors, network.tensors)) {
      t.ok(error <= tensorTolerance, `${name}: ${error} off, at most ${tensorTolerance} allowed`);
      if (name.endsWith('.bias')) continue; // before a batch norm it stays 0
      const way = moved.get(name) ?? 0;
      t.ok(way > 30 * tensorTolerance, `${name} was trained: it moved by ${way}`);
    }

    const { test } = training.trained;
    const evaluated = network.evaluate(training.test.x, training.test.labels);
    const testError = worstRelative([test.loss], [evaluated.loss]);
    t.ok(testError <= lossTolerance, `loss in evaluation: ${testError} off`);
    t.equal(
      test.accuracy,
      evaluated.correct / training.test.labels.length,
      'as many right predictions in evaluation',
    );
  });
}

interface Wrong {
  readonly name: string;
  readonly recipe: JudgedRecipe;
  readonly options?: Partial<ReferenceOptions>;
  readonly layer?: (layer: Layer) => Layer;
}

const inBatchNorms =
  (change: (layer: Layer & { kind: 'batchnorm' }) => object) =>
  (layer: Layer): Layer =>
    layer.kind === 'batchnorm' ? { ...layer, ...change(layer) } : layer;

const wrongs: readonly Wrong[] = [
  { name: 'a gradient summed instead of averaged', recipe: threeNorms, options: { learningRate: 0.1 * 32 } },
  { name: 'a rate that is off by a hundredth', recipe: threeNorms, options: { learningRate: 0.101 } },
  {
    name: 'running variances biased for unbiased and the other way round',
    recipe: ghost,
    layer: inBatchNorms(({ unbiased }) => ({ unbiased: !unbiased })),
  },
  {
    name: "PyTorch's momentum, the share of the new, for the share kept",
    recipe: ghost,
    layer: inBatchNorms(({ momentum }) => ({ momentum: 1 - momentum })),
  },
  { name: 'a larger epsilon', recipe: ghost, layer: inBatchNorms(() => ({ epsilon: 1e-3 })) },
  { name: 'moments of the batch for those of the shard', recipe: ghost, options: { batchNorm: 'sync' } },
  {
    name: 'moments of the shard for those of the batch',
    recipe: threeNorms,
    options: { batchNorm: 'ghost', shardSize: 5 },
  },
  { name: 'momentum for nesterov', recipe: ghost, options: { nesterov: false } },
  { name: 'no momentum', recipe: ghost, options: { momentum: 0, nesterov: false } },
  { name: 'no weight decay', recipe: ghost, options: { weightDecay: 0 } },
];

t.test('the tolerances can be exceeded: every wrong formula shows', async (t) => {
  const trainings = new Map<JudgedRecipe, JudgedTraining>();
  for (const recipe of [ghost, threeNorms]) trainings.set(recipe, await trainForJudge(recipe, source, steps));
  for (const { name, recipe, options = {}, layer = (same: Layer) => same } of wrongs) {
    const training = trainings.get(recipe);
    if (training === undefined) throw new Error(`${recipe.name} was not trained`);
    const layers = recipe.layers.map(layer);
    const { network } = judge(recipe, training, layers, { ...recipe.options, ...options });
    const errors = tensorErrors(training.trained.snapshot.tensors, network.tensors);
    const worst = Math.max(...errors.values());
    t.ok(worst > 100 * tensorTolerance, `${name}: ${worst} off`);
  }
});

/** The reference after the same steps from the same start, and the losses it had on the way. */
function judge(
  { fields }: JudgedRecipe,
  { initial, samples }: JudgedTraining,
  layers: readonly Layer[],
  options: ReferenceOptions,
): { network: ReferenceNetwork; losses: number[] } {
  const network = new ReferenceNetwork(layers, initial.snapshot.tensors, options);
  const losses = Array.from({ length: steps }, (_, step) => {
    const { x, labels } = batchOf(samples, fields.batchSize, step);
    return network.trainStep(x, labels);
  });
  return { network, losses };
}
