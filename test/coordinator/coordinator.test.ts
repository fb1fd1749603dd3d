/** The run from top to bottom: when it stops, what it reports, and that looking on changes nothing. */
import t from 'tap';
import { coordinate } from '../../coordinator/coordinator.ts';
import type { EpochReport, StepReport } from '../../coordinator/reports.ts';
import type { Team as CoordinatedTeam } from '../../coordinator/team.ts';
import { sha256 } from '../../shared/digest.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Team } from '../../worker/team.ts';
import { bitsOf, startTraining, syntheticDataset, type Trained, train } from '../helpers/train.ts';

const source = syntheticDataset(11, 60, 131);
/** An epoch is two steps of 24 samples and one of 12. */
const fields: RecipeFields = {
  model: 'dense(17) batchnorm tanh dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 3,
};
const threads = 2;
const whole = await train(fields, { source, threads });

/** What must be equal if two runs ended at the same step. */
const modelOf = ({ weightsDigest, stateDigest, losses }: Trained) => ({ weightsDigest, stateDigest, losses });

t.test('a run without hooks does all its steps and epochs', async (t) => {
  t.match(whole, { steps: 9, samples: 180, stoppedBy: null });
  t.strictSame(
    whole.epochs.map(({ epoch, steps }) => ({ epoch, steps })),
    [1, 2, 3].map((epoch) => ({ epoch, steps: 3 * epoch })),
  );
  t.equal(whole.epochs[0].change, null);
  t.equal(whole.epochs[2].change, whole.epochs[2].loss - whole.epochs[1].loss);
  const { loss, accuracy } = whole.test;
  t.match(whole.epochs[2], { testLoss: loss, testAccuracy: accuracy });
  t.ok(whole.trainSeconds > 0);
});

t.test('callbacks, at once or later, change no bit, and hear of every step and epoch in order', async (t) => {
  for (const later of [false, true]) {
    const steps: StepReport[] = [];
    const bunches: StepReport[] = [];
    const epochs: EpochReport[] = [];
    const hooks = {
      onStep: (report: StepReport) => {
        steps.push(report);
        return later ? new Promise((resolve) => setImmediate(resolve, true)) : undefined;
      },
      onSteps: (reports: readonly StepReport[]) => bunches.push(...reports),
      onEpoch: (report: EpochReport) => {
        epochs.push(report);
        return later ? Promise.resolve(true) : undefined;
      },
    };
    const trained = await train(fields, { source, threads, hooks });
    t.strictSame(bitsOf(trained), bitsOf(whole));
    t.strictSame(steps, bunches, 'one by one as in bunches');
    t.strictSame(
      steps.map(({ epoch, step, samples, loss, accuracy }) => ({ epoch, step, samples, loss, accuracy })),
      whole.losses.map((loss, i) => ({
        epoch: 1 + Math.floor(i / 3),
        step: i + 1,
        samples: [24, 24, 12][i % 3],
        loss,
        accuracy: whole.accuracies[i],
      })),
    );
    t.strictSame(epochs, trained.epochs);
  }
});

t.test('onStep stops the run at exactly that step, at once or later', async (t) => {
  for (const last of [1, 2, 3, 7]) {
    const stops = [false, Promise.resolve(false)].map((verdict) =>
      train(fields, {
        source,
        threads,
        hooks: { onStep: ({ step }) => (step === last ? verdict : true) },
      }),
    );
    const [now, later] = await Promise.all(stops);
    t.match(now, { steps: last, stoppedBy: 'callback', epochs: { length: Math.floor(last / 3) } });
    t.strictSame(now.losses, whole.losses.slice(0, last));
    t.strictSame(modelOf(later), modelOf(now));
  }
});

t.test('nothing but false stops it, and the last step is no stop', async (t) => {
  const undecided = await train(fields, { source, threads, hooks: { onStep: () => 0, onEpoch: () => null } });
  t.match(undecided, { steps: 9, stoppedBy: null });
  const atEnd = await train(fields, { source, threads, hooks: { onStep: ({ step }) => step < 9 } });
  t.strictSame(bitsOf(atEnd), bitsOf(whole));
  t.equal(atEnd.stoppedBy, null);
});

t.test('onEpoch stops the run after that epoch: what a run of so many epochs gives', async (t) => {
  const short = await train({ ...fields, epochs: 2 }, { source, threads });
  for (const verdict of [false, Promise.resolve(false)]) {
    const onEpoch = ({ epoch }: EpochReport) => (epoch === 2 ? verdict : true);
    const stopped = await train(fields, { source, threads, hooks: { onEpoch } });
    t.match(stopped, { steps: 6, stoppedBy: 'callback', epochs: { length: 2 } });
    t.strictSame(modelOf(stopped), modelOf(short));
  }
});

t.test('a callback that throws ends the run with its error', async (t) => {
  const error = new Error('no more');
  const failing = (): never => {
    throw error;
  };
  await t.rejects(train(fields, { source, threads, hooks: { onStep: failing } }), error);
  await t.rejects(train(fields, { source, threads, hooks: { onEpoch: () => Promise.reject(error) } }), error);
});

t.test('a signal ends the run after the step that is being computed', async (t) => {
  const between = new AbortController();
  const onStep = ({ step }: StepReport) => (step === 4 ? between.abort() : undefined);
  const stopped = await train(fields, { source, threads, hooks: { onStep, signal: between.signal } });
  t.match(stopped, { steps: 4, stoppedBy: 'signal', epochs: { length: 1 } });
  const atFour = await train(fields, { source, threads, hooks: { onStep: ({ step }) => step < 4 } });
  t.strictSame(modelOf(stopped), modelOf(atFour));

  const before = await train(fields, { source, threads, hooks: { signal: AbortSignal.abort() } });
  t.match(before, { steps: 0, stoppedBy: 'signal', epochs: { length: 0 } });
});

t.test('a signal reaches a team in the middle of an epoch, and it stops between two steps', async (t) => {
  const long = { ...fields, batchSize: 1, epochs: 1_000_000 };
  const controller = new AbortController();
  const onSteps = () => controller.abort();
  const stopped = await train(long, { source, threads, hooks: { onSteps, signal: controller.signal } });
  t.equal(stopped.stoppedBy, 'signal');
  t.ok(stopped.steps > 0, `it did ${stopped.steps} steps`);
  const onStep = ({ step }: StepReport) => step < stopped.steps;
  const again = await train(long, { source, hooks: { onStep } });
  t.strictSame(modelOf(again), modelOf(stopped), 'a run that stops there by itself has the same state');
});

t.test('zero epochs give the initial model', async (t) => {
  const none = await train({ ...fields, epochs: 0 }, { source, threads });
  t.match(none, { steps: 0, samples: 0, stoppedBy: null, epochs: { length: 0 }, losses: { length: 0 } });
  const { tensors, counters } = none.snapshot;
  t.ok(tensors.get('0.bias')?.every((value) => value === 0));
  t.ok(tensors.get('1.running_var')?.every((value) => value === 1));
  t.strictSame([...counters], [['1.num_batches_tracked', 0n]]);
  t.equal((await train({ ...fields, epochs: 0 }, { source, threads: 3 })).weightsDigest, none.weightsDigest);
});

/** A team that evaluates both splits after everything it does. */
class EvaluatingTeam implements CoordinatedTeam {
  readonly #team: Team;
  readonly joins = 0;
  readonly isWaiting = false;
  evaluations = 0;

  constructor(team: Team) {
    this.#team = team;
  }

  gather() {
    return this.#team.gather();
  }
  get committed() {
    return this.#team.committed;
  }
  get replica() {
    return this.#team.replica;
  }
  get deaths() {
    return this.#team.deaths;
  }
  get shardsRecomputed() {
    return this.#team.shardsRecomputed;
  }
  results = () => this.#team.results();
  stop = () => this.#team.stop();
  pause = () => this.#team.pause();
  account = () => this.#team.account();
  workersNow = () => this.#team.workersNow();
  watchSteps: CoordinatedTeam['watchSteps'] = (...args) => this.#team.watchSteps(...args);
  watchRate: CoordinatedTeam['watchRate'] = (wanted) => this.#team.watchRate(wanted);
  evaluate = (split: 'train' | 'test') => this.#team.evaluate(split);

  async trainSteps(first: number, end: number) {
    const outcome = await this.#team.trainSteps(first, end);
    for (const split of ['train', 'test'] as const) await this.#team.evaluate(split);
    this.evaluations += 2;
    return outcome;
  }
}

t.test('evaluating between all steps changes no bit of the training', async (t) => {
  const teams: EvaluatingTeam[] = [];
  const wrapTeam = (team: Team): CoordinatedTeam => {
    teams.push(new EvaluatingTeam(team));
    return teams[0];
  };
  const hooks = { onStep: () => true };
  const trained = await train(fields, { source, threads, hooks, wrapTeam });
  t.equal(teams[0].evaluations, 2 * 9);
  t.strictSame(bitsOf(trained), bitsOf(whole));
});

t.test('an evaluation leaves both replicas as they are', async (t) => {
  const { run, team } = await startTraining(fields, { source, threads });
  t.teardown(() => team.close());
  const { weightsDigest } = await coordinate(run, team, {});
  t.equal(weightsDigest, whole.weightsDigest);
  const [a, b] = run.plan.replicas;
  const replicas = () =>
    sha256(
      ...[a.flat, a.state, b.flat, b.state].map((offset) =>
        new Uint8Array(run.memory.buffer, offset, 4 * run.architecture.flatSize).slice(),
      ),
    );
  const before = replicas();
  for (const split of ['test', 'train'] as const) await team.evaluate(split);
  t.equal(replicas(), before);
});
