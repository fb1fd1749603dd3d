/** A run that goes on from any of its steps gives the bits, the reports and the states of one that was never stopped. */
import t, { type Test } from 'tap';
import type { EpochReport, KeepEvery, StepReport } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Team } from '../../worker/team.ts';
import { bitsOf, syntheticDataset, type TrainOptions, train } from '../helpers/train.ts';
import { trainWithWorkers } from '../helpers/workers.ts';

t.setTimeout(120_000);

const source = syntheticDataset(11, 60, 131);
/** An epoch is two steps of 24 samples and one of 12. */
const fields: RecipeFields = {
  model: 'dense(17) batchnorm tanh dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 2,
};
const everyStep: KeepEvery = { kind: 'steps', steps: 1 };

/** Trains, and notes what was kept and told. */
async function watch(
  recipe: RecipeFields,
  options: Partial<TrainOptions> & { every?: KeepEvery | null } = {},
) {
  const kept: RunState[] = [];
  const steps: StepReport[] = [];
  const epochs: EpochReport[] = [];
  const { every = null, ...rest } = options;
  const trained = await train(recipe, {
    source,
    ...rest,
    hooks: {
      onSteps: (reports) => steps.push(...reports),
      onEpoch: (report) => epochs.push(report),
      ...rest.hooks,
    },
    keeping: { every, keep: (state) => kept.push(state) },
  });
  return { trained, kept, steps, epochs };
}

const placeOf = ({ epoch, step }: RunState) => [epoch, step];

/** What a state is, without how long things took. */
function bare({ epochs, ...state }: RunState) {
  return { ...state, epochs: epochs.map(timeless) };
}

function timeless(report: EpochReport | StepReport): object {
  const { seconds: _, samplesPerSecond: __, ...rest } = { samplesPerSecond: 0, ...report };
  return rest;
}

/** Goes on from each state, each time on another number of threads, and holds that all is as it would have been. */
async function holdResumable(t: Test, recipe: RecipeFields) {
  const whole = await watch(recipe, { every: everyStep, threads: 2 });
  const { losses: _, accuracies: __, ...bits } = bitsOf(whole.trained);
  for (const [i, from] of whole.kept.entries()) {
    const { trained, kept, steps, epochs } = await watch(recipe, {
      every: everyStep,
      from,
      threads: 1 + (i % 3),
    });
    const committed = i + 1;
    const name = `from step ${committed}`;
    const { losses, accuracies, ...resumed } = bitsOf(trained);
    t.strictSame(resumed, bits, `${name}: the same bits and reports of all epochs`);
    t.equal(trained.stepsComputed, 6 - committed);
    t.strictSame(losses, whole.trained.losses.slice(committed), `${name}: the losses of the other steps`);
    t.strictSame(accuracies, whole.trained.accuracies.slice(committed), `${name}: and their accuracies`);
    t.strictSame(
      steps.map(timeless),
      whole.steps.slice(committed).map(timeless),
      `${name}: told of these alone`,
    );
    t.strictSame(epochs.map(timeless), whole.epochs.slice(from.epoch).map(timeless));
    t.strictSame(kept.map(bare), whole.kept.slice(committed).map(bare), `${name}: the same states after it`);
  }
  return whole;
}

t.test('a run that goes on from any step is the run that was never stopped', async (t) => {
  const { kept, trained } = await holdResumable(t, fields);
  t.strictSame(
    kept.map(placeOf),
    [
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
    ],
    'it is kept after each step, and in place of an epoch’s last step after the epoch',
  );
  t.equal(trained.stepsComputed, 6);
});

t.test('running statistics that begin anew with each epoch do not begin anew in its middle', async (t) => {
  await holdResumable(t, { ...fields, resetRunningStats: 'epoch', batchNorm: 'ghost' });
});

t.test('it is kept at multiples of the steps that were asked for, and after each epoch', async (t) => {
  const places = async (every: KeepEvery | null, hooks = {}) => {
    const { kept } = await watch({ ...fields, epochs: 3 }, { every, hooks });
    return kept.map(({ epoch, step }) => 3 * epoch + step);
  };
  t.strictSame(await places(null), [3, 6, 9]);
  t.strictSame(await places({ kind: 'steps', steps: 4 }), [3, 4, 6, 8, 9]);
  t.strictSame(await places({ kind: 'steps', steps: 100 }), [3, 6, 9]);
  const onStep = () => true;
  t.strictSame(await places({ kind: 'steps', steps: 2 }, { onStep }), [2, 3, 4, 6, 8, 9]);
});

t.test('it is kept from time to time, at a step’s boundary, and what was kept is right', async (t) => {
  const long = { ...fields, batchSize: 1, shardSize: 1, epochs: 1000 };
  const controller = new AbortController();
  const kept: RunState[] = [];
  const trained = await train(long, {
    source,
    threads: 2,
    hooks: { signal: controller.signal },
    keeping: {
      every: { kind: 'time', ms: 20 },
      keep: (state) => {
        kept.push(state);
        if (kept.filter(({ step }) => step > 0).length === 3) controller.abort();
      },
    },
  });
  const inEpoch = kept.filter(({ step }) => step > 0);
  t.ok(inEpoch.length >= 3, 'in the middle of epochs');
  const until = (steps: number) => ({ onStep: ({ step }: StepReport) => step < steps });
  const [first] = inEpoch;
  const steps = 60 * first.epoch + first.step;
  const { kept: straight } = await watch(long, { hooks: until(steps) });
  t.strictSame(bare(first), bare(straight.at(-1) as RunState), `after step ${steps}`);
  t.ok(trained.steps > steps, 'it went on');
});

t.test('a fleet is kept without a pause, and goes on from there with workers and with threads', async (t) => {
  const kept: RunState[] = [];
  const keeping = { every: { kind: 'time', ms: 1 }, keep: (state: RunState) => kept.push(state) } as const;
  const long = { ...fields, epochs: 6 };
  const whole = await trainWithWorkers(long, source, [{ threads: 1 }, { threads: 2 }], { keeping });
  t.ok(kept.length > 6, `kept ${kept.length} times`);
  const { losses, accuracies, ...bits } = bitsOf(whole);
  t.strictSame(bitsOf(await train(long, { source })), { losses, accuracies, ...bits });
  for (const from of [kept[1], kept[kept.length >> 1]]) {
    const steps = 3 * from.epoch + from.step;
    for (const trained of [
      await trainWithWorkers(long, source, [{ threads: 2 }], { from }),
      await train(long, { source, threads: 2, from }),
    ]) {
      const rest = { losses: losses.slice(steps), accuracies: accuracies.slice(steps) };
      t.strictSame(bitsOf(trained), { ...bits, ...rest }, `from step ${steps}`);
    }
  }
});

t.test('it is kept where it was stopped, and where it failed, unless it diverges', async (t) => {
  const stopped = await watch(fields, { hooks: { onStep: ({ step }: StepReport) => step < 5 } });
  t.strictSame(stopped.kept.map(placeOf), [
    [1, 0],
    [1, 2],
  ]);
  const kept: RunState[] = [];
  const keeping = { every: null, keep: (state: RunState) => kept.push(state) };
  const onStep = ({ step }: StepReport) => {
    if (step === 4) throw new Error('no more');
  };
  await t.rejects(train(fields, { source, hooks: { onStep }, keeping }), /no more/);
  t.strictSame(kept.map(placeOf), [
    [1, 0],
    [1, 1],
  ]);
  kept.length = 0;
  const wild = { ...fields, optimizer: 'sgd(lr=1e30)' };
  await t.rejects(train(wild, { source, keeping }), { code: 'DIVERGED' });
  t.strictSame(kept, []);
});

t.test('an evaluation that fails costs neither the epoch nor its checkpoint', async (t) => {
  const kept: RunState[] = [];
  const keeping = { every: null, keep: (state: RunState) => kept.push(state) };
  const wrapTeam = (team: Team): Team => {
    team.evaluate = () => Promise.reject(new Error('all threads died'));
    return team;
  };
  await t.rejects(train(fields, { source, keeping, wrapTeam }), /all threads died/);
  t.strictSame(kept.map(placeOf), [[0, 3]], 'its steps are done');
  const whole = await watch(fields);
  const resumed = await watch(fields, { from: kept[0] });
  const rest = { losses: [], accuracies: [] };
  t.strictSame({ ...bitsOf(resumed.trained), ...rest }, { ...bitsOf(whole.trained), ...rest });
  t.strictSame(resumed.kept.map(bare), whole.kept.map(bare), 'its end is kept, too');
});

t.test('who cannot keep it ends it', async (t) => {
  const keep = () => {
    throw new Error('taken over');
  };
  await t.rejects(train(fields, { source, keeping: { every: everyStep, keep } }), /taken over/);
  const every = { kind: 'time', ms: 1 } as const;
  const long = { ...fields, batchSize: 1, shardSize: 1, epochs: 10_000 };
  await t.rejects(train(long, { source, keeping: { every, keep } }), /taken over/);
});

t.test('a run that is done gives its result without a step', async (t) => {
  const whole = await watch(fields);
  const { trained, kept } = await watch(fields, { from: whole.kept.at(-1) ?? null });
  const rest = { losses: [], accuracies: [] };
  t.strictSame({ ...bitsOf(trained), ...rest }, { ...bitsOf(whole.trained), ...rest });
  t.match(trained, { samples: 0, stoppedBy: null, steps: 6, stepsComputed: 0 });
  t.strictSame(kept, []);
});
