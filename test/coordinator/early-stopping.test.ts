/** Early stopping: which epoch was best, when it is over, and that stopping and going on change nothing of it. */
import t from 'tap';
import { isExhausted, isFinished, judgeEpoch, newStopping } from '../../coordinator/early-stopping.ts';
import type { EpochReport, KeepEvery } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import { canonicalEarlyStopping } from '../../shared/recipe/early-stopping.ts';
import { canonicalJson, type Recipe } from '../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { refusal } from '../helpers/refusal.ts';
import { bitsOf, label, syntheticDataset, type Trained, train } from '../helpers/train.ts';
import { trainWithWorkers } from '../helpers/workers.ts';

t.setTimeout(120_000);

const recipeWith = (earlyStopping?: string): Recipe =>
  finishRecipe(
    draftRecipe({ model: 'dense(10)', epochs: 50, ...(earlyStopping && { earlyStopping }) }, label),
    '0'.repeat(64),
  );
const bareReport: EpochReport = {
  ...{ epoch: 0, steps: 0, loss: 1, change: null, testLoss: 1, testAccuracy: 0 },
  ...{ seconds: 1, samplesPerSecond: 1 },
};
const snapshot = { tensors: new Map(), counters: new Map() };

/** Judges epochs with these numbers, and tells after each whether it is over; of the best, its epoch. */
function judge(
  earlyStopping: string,
  field: 'loss' | 'testLoss' | 'testAccuracy',
  values: readonly number[],
) {
  const recipe = recipeWith(earlyStopping);
  let stopping = newStopping(recipe);
  const over = values.map((value, i) => {
    const report = { epoch: i + 1, [field]: value };
    stopping = judgeEpoch(recipe, stopping, { ...bareReport, ...report }, () => snapshot);
    return isExhausted(recipe, stopping);
  });
  return { over: over.indexOf(true) + 1, best: stopping?.best?.epoch };
}

t.test('it is over when so many epochs in a row were not better', (t) => {
  t.strictSame(judge('testLoss(patience=2)', 'testLoss', [5, 4, 4.5, 3, 3.5, 3.2, 1]), { over: 6, best: 7 });
  t.strictSame(
    judge('testLoss(patience=2)', 'testLoss', [5, 4, 4, 4]),
    { over: 4, best: 2 },
    'a tie is not better',
  );
  t.strictSame(judge('testAccuracy(patience=1)', 'testAccuracy', [0.5, 0.6, 0.6]), { over: 3, best: 2 });
  t.strictSame(judge('trainLoss(patience=1)', 'loss', [3, 2, 1]), { over: 0, best: 3 });
  t.strictSame(judge('testLoss', 'testLoss', [1, 2, 2, 2, 2]), { over: 4, best: 1 }, 'its patience is 3');
  t.strictSame(judge('testLoss(patience=1,minDelta=0.5)', 'testLoss', [5, 4.25, 3.75]), { over: 3, best: 2 });
  t.strictSame(judge('testLoss(patience=1,minDelta=0.5)', 'testLoss', [5, 4.5]), { over: 2, best: 1 });
  t.end();
});

t.test('recipes without it keep their ids; its texts become canonical', (t) => {
  t.notOk(canonicalJson(recipeWith()).includes('earlyStopping'));
  t.equal(newStopping(recipeWith()), null);
  t.equal(recipeWith('testLoss( minDelta=0, patience=3 )').earlyStopping, 'testLoss');
  t.equal(recipeWith('testLoss(5)').earlyStopping, 'testLoss(patience=5)');
  t.equal(canonicalEarlyStopping('trainLoss(minDelta=0.25)', 'x'), 'trainLoss(minDelta=0.25)');
  for (const [text, says] of [
    ['accuracy', /^x: unknown name "accuracy"/],
    ['testLoss(patience=0)', /^x: testLoss: patience: got "0", expected an integer from 1/],
    ['testLoss(minDelta=-1)', /^x: testLoss: minDelta: got "-1", expected a number ≥ 0/],
    ['testLoss testLoss', /^x: got "testLoss testLoss"/],
  ] as const) {
    t.match(
      refusal(() => canonicalEarlyStopping(text, 'x'), 'USAGE'),
      says,
    );
  }
  t.end();
});

const source = syntheticDataset(5, 60, 131);
/** A rate at which the loss goes up and down. */
const fields: RecipeFields = {
  model: 'dense(17) batchnorm tanh dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.8,momentum=0.9)',
  epochs: 40,
  earlyStopping: 'testLoss(patience=3)',
};

const modelOf = ({ weightsDigest, stateDigest, steps, stoppedBy, bestEpoch, test, epochs }: Trained) => ({
  ...{ weightsDigest, stateDigest, steps, stoppedBy, bestEpoch, test },
  losses: epochs.map(({ loss, testLoss }) => [loss, testLoss]),
});

t.test(
  'the best weights are the result, wherever it was stopped and went on, and with workers',
  async (t) => {
    const { earlyStopping: _, ...plainFields } = fields;
    const plain = await train(plainFields, { source });
    const losses = plain.epochs.map(({ testLoss }) => testLoss);
    const over = losses.findIndex(
      (__, i) => i >= 3 && Math.min(...losses.slice(i - 2, i + 1)) >= Math.min(...losses.slice(0, i - 2)),
    );
    t.ok(over > 3 && over < 39, `by the losses of a run without, it is over after epoch ${over + 1}`);
    const best = losses.indexOf(Math.min(...losses.slice(0, over + 1)));
    const until = await train({ ...plainFields, epochs: best + 1 }, { source });

    const kept: RunState[] = [];
    const every: KeepEvery = { kind: 'steps', steps: 2 };
    const keeping = { every, keep: (state: RunState) => kept.push(state) };
    const whole = await train(fields, { source, threads: 2, keeping });
    t.match(whole, { stoppedBy: 'earlyStopping', steps: 3 * (over + 1), bestEpoch: best + 1 });
    t.equal(whole.weightsDigest, until.weightsDigest, 'the weights of a run that ends with the best epoch');
    t.strictSame(whole.test, until.test, 'and what the test set says of them');
    t.not(whole.stateDigest, until.stateDigest);

    for (const [i, from] of kept.entries()) {
      if (i % 3 !== 0 && i < kept.length - 2) continue;
      const resumed = await train(fields, { source, threads: 1 + (i % 2), from });
      t.strictSame(
        modelOf(resumed),
        modelOf(whole),
        `gone on with from epoch ${from.epoch}, step ${from.step}`,
      );
    }
    const last = kept.at(-1) as RunState;
    t.ok(isFinished(whole.run.recipe, last), 'the last that was kept is finished');
    t.notOk(isFinished(whole.run.recipe, kept[kept.length - 2]));
    const remote = await trainWithWorkers(fields, source, [{ threads: 1 }, { threads: 2 }]);
    t.strictSame(modelOf(remote), modelOf(whole), 'with workers');
  },
);

t.test(
  'a run whose epochs are over first has the best weights, too; one that is stopped has its last',
  async (t) => {
    const patient = { ...fields, earlyStopping: 'testLoss(patience=50)' };
    const losses = (await train(patient, { source })).epochs.map(({ testLoss }) => testLoss);
    const epochs = 1 + losses.findIndex((loss, i) => i > 2 && loss > losses[i - 1]);
    const best = 1 + losses.indexOf(Math.min(...losses.slice(0, epochs)));
    t.ok(best < epochs, `epoch ${best} of ${epochs} is best`);
    const whole = await train({ ...patient, epochs }, { source });
    t.match(whole, { stoppedBy: null, bestEpoch: best, test: { loss: losses[best - 1] } });
    const onEpoch = ({ epoch }: EpochReport) => epoch < epochs;
    const stopped = await train(patient, { source, hooks: { onEpoch } });
    t.match(stopped, { stoppedBy: 'callback', bestEpoch: null, test: { loss: losses[epochs - 1] } });
    t.strictSame(bitsOf(stopped).losses, bitsOf(whole).losses);
  },
);
