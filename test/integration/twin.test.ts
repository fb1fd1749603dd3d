/** A whole training by the slow twin of every kernel: plain TypeScript, and still the bits of WebAssembly. */
import t from 'tap';
import { nextDigest } from '../../coordinator/chain.ts';
import { readEvaluation } from '../../coordinator/evaluation.ts';
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import { drawOrder } from '../../shared/data/sampler.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { twinKernels } from '../../shared/kernels/twin/twin.ts';
import { initialise } from '../../shared/model/initialisation.ts';
import { evaluationShard } from '../../shared/model/memory-plan.ts';
import { Model } from '../../shared/model/model.ts';
import { NonFinite } from '../../shared/model/non-finite.ts';
import { stateDigest, takeSnapshot, weightsDigest } from '../../shared/model/snapshot.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { soloGroup } from '../../shared/reduction/group.ts';
import { assignSpan, newSpan } from '../../shared/reduction/span.ts';
import { trainStep } from '../../shared/step.ts';
import { label, syntheticDataset, train } from '../helpers/train.ts';

const seed = 20261016;
/** 4 batches of 10 and one of 3. */
const source = syntheticDataset(seed, 43, 131);

const recipes: Record<string, RecipeFields> = {
  'sync, batch norms of both variances': {
    model: 'dense(9) batchnorm sigmoid dense(10) batchnorm(variance=unbiased) affine(slope=1.5)',
    optimizer: 'sgd(lr=0.05,momentum=0.9,nesterov=true,weightDecay=0.001)',
    batchNorm: 'sync',
  },
  'ghost, a scale that is drawn': {
    model: 'dense(11) relu batchnorm(scale=uniform) tanh dense(10)',
    optimizer: 'sgd(lr=0.05,momentum=0.5)',
    init: 'glorot',
    batchNorm: 'ghost',
  },
};

for (const [name, recipe] of Object.entries(recipes)) {
  t.test(`${name}: the twin's whole training has WebAssembly's bits`, async (t) => {
    const fields = { ...recipe, batchSize: 10, shardSize: 4, epochs: 1, seed };
    const fast = await train(fields, { source, threads: 2 });
    const slow = trainWithTwin(
      await prepareRun({
        draft: draftRecipe(fields, label),
        source,
        kernels: loadKernels('exact'), // for the initial replica, which the twin writes over
        threads: 1,
        initial: null,
        label,
      }),
    );
    t.equal(slow.losses.length, 5);
    t.strictSame(slow.losses, fast.losses, 'the loss of every step');
    t.equal(slow.weightsDigest, fast.weightsDigest);
    t.equal(slow.stateDigest, fast.stateDigest);
    t.equal(slow.chain, fast.chain);
    const { loss, accuracy } = slow.test;
    t.strictSame({ loss, accuracy }, fast.test, 'the evaluation');
  });
}

/** One epoch on one thread with the twin's kernels, from the initial values on. */
function trainWithTwin({ setup, architecture, plan, memory, recipe, samples, steps }: Run) {
  const kernels = twinKernels(memory);
  const countersAt = (step: number) =>
    new Map(
      architecture.layers.flatMap(({ text }, i) =>
        text.startsWith('batchnorm') ? [[`${i}.num_batches_tracked`, BigInt(step)] as const] : [],
      ),
    );
  const flatOf = (replica: number) =>
    new Float32Array(memory.buffer, plan.replicas[replica].flat, architecture.flatSize);
  flatOf(0).fill(Number.NaN);
  initialise(architecture, recipe.init, recipe.seed, kernels, memory, flatOf(0), plan.gradient);
  drawOrder(new Uint32Array(memory.buffer, plan.order, samples.length), samples, recipe.seed, 1);

  const nonFinite = new NonFinite(memory, plan.nonFinite);
  nonFinite.clear();
  const model = new Model({ ...setup, architecture }, { plan, memory, kernels, nonFinite }, 0, 1);
  const span = newSpan(recipe.shardSize);
  const losses: number[] = [];
  let chain = weightsDigest(takeSnapshot(architecture, flatOf(0), countersAt(0)));
  for (let step = 0; step < steps; step++) {
    span.firstSample = step * recipe.batchSize;
    span.current = plan.replicas[step % 2];
    span.next = plan.replicas[(step + 1) % 2];
    assignSpan(span, Math.min(recipe.batchSize, samples.length - span.firstSample), 0, 1);
    trainStep(model, span, soloGroup());
    losses.push(model.batch.loss);
    chain = nextDigest(chain, step + 1, model.checksum);
  }
  if (nonFinite.found()) throw new Error('the twin met NaN or infinity');

  const replica = plan.replicas[steps % 2];
  for (let shard = 0; shard * evaluationShard < plan.test.samples; shard++) {
    model.evaluate(replica.flat, plan.test, shard);
  }
  const snapshot = takeSnapshot(architecture, flatOf(steps % 2), countersAt(steps));
  const optimizer = new Float32Array(memory.buffer, replica.state, architecture.flatSize);
  return {
    losses,
    chain,
    weightsDigest: weightsDigest(snapshot),
    // The epoch is over, so its sum of losses is none of the state.
    stateDigest: stateDigest(architecture, snapshot, { optimizer, epoch: 1, step: 0, lossSum: 0 }),
    test: readEvaluation(plan, memory, 'test', architecture.classes),
  };
}
