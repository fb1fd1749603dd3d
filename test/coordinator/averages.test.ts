/** Averages over batches of different sizes, computed by hand: 10 samples are a batch of 7 and one of 3. */
import t from 'tap';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { lastOrder, syntheticDataset, type Trained, train } from '../helpers/train.ts';

const source = syntheticDataset(17, 10, 5);
const batches = [
  { first: 0, rows: 7 },
  { first: 7, rows: 3 },
];
/** A rate of 0 leaves the weights alone, so every step sees the same model. */
const still: RecipeFields = {
  model: 'dense(10)',
  init: 'normal(std=0.1)',
  optimizer: 'sgd(lr=0)',
  scale: 'unit',
  batchSize: 7,
  shardSize: 2,
  epochs: 1,
};
const u = 2 ** -24;

/** The samples of the last epoch, in its order: x (784) in 0 … 1, and the label. */
function samplesOf(trained: Trained): { x: number[]; label: number }[] {
  const { memory, plan } = trained.run;
  const images = new Uint8Array(memory.buffer, plan.train.images, plan.train.samples * 784);
  const labels = new Uint8Array(memory.buffer, plan.train.labels, plan.train.samples);
  return Array.from(lastOrder(trained), (sample) => ({
    x: Array.from(images.subarray(784 * sample, 784 * (sample + 1)), (byte) => byte / 255),
    label: labels[sample],
  }));
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const tensorOf = ({ snapshot }: Trained, name: string): number[] => [...(snapshot.tensors.get(name) ?? [])];

t.test(
  'an epoch’s loss is the average over its samples, not over its steps, and accuracy by step',
  async (t) => {
    const trained = await train(still, { source, threads: 2 });
    const weight = tensorOf(trained, '0.weight');
    let longest = 0;
    let narrowest = Number.POSITIVE_INFINITY;
    const judged = samplesOf(trained).map(({ x, label }) => {
      const logits = Array.from({ length: 10 }, (_, o) => {
        const terms = x.map((value, i) => value * weight[784 * o + i]);
        longest = Math.max(longest, mean(terms.map(Math.abs)) * 784);
        return mean(terms) * 784;
      });
      const [first, second] = logits.toSorted((a, b) => b - a);
      narrowest = Math.min(narrowest, first - second);
      const loss = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[label];
      return { loss, isRight: logits[label] === first };
    });
    const losses = judged.map(({ loss }) => loss);
    // A sum of 784 fused terms is off by at most 784 · u of the sum of magnitudes, a pixel by 1 · u more; a loss
    // changes by at most twice as much as its logits. Softmax and the average add a few u of a number near 2.
    const tolerance = 2 * 785 * u * longest + 32 * u * 2;
    const stepLosses = batches.map(({ first, rows }) => mean(losses.slice(first, first + rows)));
    for (const [step, loss] of stepLosses.entries()) {
      t.ok(
        Math.abs(trained.losses[step] - loss) <= tolerance,
        `step ${step}: ${trained.losses[step]}, ${loss}`,
      );
    }
    t.ok(narrowest > tolerance, `no prediction is in doubt: the narrowest is by ${narrowest}`);
    t.strictSame(
      trained.accuracies,
      batches.map(
        ({ first, rows }) => judged.slice(first, first + rows).filter((one) => one.isRight).length / rows,
      ),
      'a step’s accuracy is the share of its samples that are predicted right',
    );
    t.ok(judged.some(({ isRight }) => isRight) && judged.some(({ isRight }) => !isRight), 'both occur');
    const [{ loss }] = trained.epochs;
    t.equal(
      loss,
      (7 * trained.losses[0] + 3 * trained.losses[1]) / 10,
      'in binary64, in the order of the steps',
    );
    t.ok(Math.abs(loss - mean(losses)) <= tolerance, `${loss}, by hand ${mean(losses)}`);
    t.ok(
      Math.abs(mean(stepLosses) - mean(losses)) > 10 * tolerance,
      'the average over steps is another number',
    );
  },
);

for (const variance of ['biased', 'unbiased'] as const) {
  t.test(`running statistics, ${variance}: each batch counts with its own number of samples`, async (t) => {
    const model = `batchnorm(momentum=0.5,variance=${variance}) dense(10)`;
    for (const batchNorm of ['sync', 'ghost'] as const) {
      const trained = await train({ ...still, model, batchNorm }, { source, threads: 2 });
      const samples = samplesOf(trained);
      const expect = (divisors: readonly number[]) => {
        const means: number[] = [];
        const variances: number[] = [];
        for (let p = 0; p < 784; p++) {
          let [runningMean, runningVariance] = [0, 1];
          for (const [step, { first, rows }] of batches.entries()) {
            const values = samples.slice(first, first + rows).map(({ x }) => x[p]);
            const squares = values.map((value) => (value - mean(values)) ** 2);
            runningMean = (runningMean + mean(values)) / 2;
            runningVariance = (runningVariance + (mean(squares) * rows) / divisors[step]) / 2;
          }
          means.push(runningMean);
          variances.push(runningVariance);
        }
        return { means, variances };
      };
      const right = expect(variance === 'biased' ? [7, 3] : [6, 2]);
      // Pixels are at most 1. A mean is a sum of 7, two averages of shards and the moving average: under 16
      // roundings; a variance is a sum of squares of differences of such numbers: three times as many.
      const off = (name: string, expected: number[]): number =>
        Math.max(...tensorOf(trained, name).map((value, p) => Math.abs(value - expected[p])));
      t.ok(off('0.running_mean', right.means) <= 16 * u, `means: ${off('0.running_mean', right.means)} off`);
      const error = off('0.running_var', right.variances);
      t.ok(error <= 48 * u, `variances: ${error} off`);
      for (const wrong of [[7, 7], [6, 6], variance === 'biased' ? [6, 2] : [7, 3]]) {
        const other = off('0.running_var', expect(wrong).variances);
        t.ok(other > 100 * 48 * u, `divided by ${wrong} it would be ${other} off`);
      }
      t.strictSame([...trained.snapshot.counters.values()], [2n], 'two batches were counted');
    }
  });
}

t.test('the gradient is divided by the samples that are there, not by the batch size', async (t) => {
  // From weights 0, all probabilities are 1 ÷ 10, so a bias moves by −rate · (1 ÷ 10 − hits ÷ 3).
  const fields = { ...still, trainSamples: 3, init: 'normal(std=0)', optimizer: 'sgd(lr=0.5)' };
  const trained = await train(fields, { source, threads: 2 });
  t.equal(trained.steps, 1);
  const labels = samplesOf(trained).map(({ label }) => label);
  t.equal(labels.length, 3);
  for (const [label, bias] of tensorOf(trained, '0.bias').entries()) {
    const hits = labels.filter((other) => other === label).length;
    const expected = -0.5 * (1 / 10 - hits / 3);
    t.ok(Math.abs(bias - expected) <= 8 * u, `bias ${label}: ${bias}, by hand ${expected}`);
  }
});
