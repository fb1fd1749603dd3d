/** Worker processes killed at every phase of their lives: the bits are those of one thread, and nobody else notices. */
import t, { type Test } from 'tap';
import type { StepReport } from '../../coordinator/reports.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Fate } from '../helpers/failing-worker.ts';
import { startWorker, type WorkerProcess } from '../helpers/processes.ts';
import { RemoteRun } from '../helpers/remote-run.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';

t.setTimeout(120_000);
t.jobs = 3; // they wait most of the time

/** Data and replica come in two chunks each. */
const source = syntheticDataset(7, 60, 1300);
/** Two steps of 24 samples in 8 shards and one of 12 in 4, in each epoch. */
const stepsPerEpoch = 3;
const shardsPerEpoch = 8 + 8 + 4;
const epochs = 4;
const steps = epochs * stepsPerEpoch;
const recipe = (batchNorm: 'sync' | 'ghost'): RecipeFields => ({
  model: 'dense(200) batchnorm relu dense(10) batchnorm',
  batchSize: 24,
  shardSize: 3,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs,
  batchNorm,
});

/** A worker that is to die, and what is to be seen of it. */
interface Victim {
  /** Idle ones are killed from outside. */
  readonly fate: Fate | 'idle';
  readonly seen: 'not at all' | 'before it joins' | 'taking part' | 'leaving';
  /** Whether others have to compute what it had; of a partial that has left, nobody knows whether it arrives. */
  readonly owes: 'something' | 'nothing' | 'perhaps';
}

const between: readonly Victim[] = [
  { fate: { phase: 'connecting' }, seen: 'not at all', owes: 'nothing' },
  ...(['greeting', 'fetching', 'receiving'] as const).map(
    (phase): Victim => ({ fate: { phase }, seen: 'before it joins', owes: 'nothing' }),
  ),
  { fate: 'idle', seen: 'taking part', owes: 'nothing' },
  { fate: { phase: 'leaving' }, seen: 'leaving', owes: 'nothing' },
];
const evaluating: Victim = { fate: { phase: 'evaluating' }, seen: 'taking part', owes: 'nothing' };

function inStep(
  phase: 'computing' | 'sending' | 'sent',
  exchange: number,
  owes: Victim['owes'] = 'something',
) {
  return { fate: { phase, exchange }, seen: 'taking part', owes } as const;
}

/** Exchanges in sync mode: moments of both layers forward, sums of both backward, the gradient. */
const during: Readonly<Record<'sync' | 'ghost', readonly Victim[]>> = {
  sync: [
    ...[0, 1, 2, 3, 4].map((exchange) => inStep('computing', exchange)),
    ...[0, 4].map((exchange) => inStep('sending', exchange)),
    inStep('sent', 0),
    inStep('sent', 4, 'perhaps'),
  ],
  ghost: [inStep('computing', 0), inStep('sending', 0), inStep('sent', 0, 'perhaps')],
};

function nameOf({ fate }: Victim): string {
  if (fate === 'idle') return fate;
  return fate.exchange === undefined ? fate.phase : `${fate.phase} ${fate.exchange}`;
}

/** One victim from its start to its end, in a run that goes on. */
class Death {
  readonly #t: Test;
  readonly #run: RemoteRun;
  readonly #victim: Victim;
  readonly #name: string;
  readonly #process: WorkerProcess;
  readonly #deaths: number;
  readonly #recomputed: number;

  constructor(t: Test, run: RemoteRun, victim: Victim) {
    this.#t = t;
    this.#run = run;
    this.#victim = victim;
    this.#name = nameOf(victim);
    this.#deaths = run.fleet.deaths;
    this.#recomputed = run.fleet.shardsRecomputed;
    const fate = victim.fate === 'idle' ? {} : { fate: victim.fate };
    // A single thread computes in the worker's main thread, two have threads of their own.
    const threads = 1 + (this.#deaths % 2);
    this.#process = startWorker(t, { ...run.way, name: this.#name, threads, ...fate });
  }

  /** Returns when it takes part and is about to die in what comes next. */
  async prepare(): Promise<void> {
    await this.#event('joined');
  }

  /** Between two steps. */
  async whole(): Promise<void> {
    const { fate, seen } = this.#victim;
    if (seen === 'taking part' || seen === 'leaving') await this.prepare();
    if (fate === 'idle') this.#process.signal('SIGKILL');
    if (seen === 'leaving') this.#process.signal('SIGTERM');
    await this.check();
  }

  async check(): Promise<void> {
    const t = this.#t;
    const name = this.#name;
    const { seen, owes } = this.#victim;
    t.same(await this.#process.exited, { code: null, signal: 'SIGKILL' }, `${name}: killed`);
    if (seen !== 'not at all') await this.#event(seen === 'leaving' ? 'left' : 'died');
    const { fleet } = this.#run;
    t.equal(fleet.deaths - this.#deaths, seen === 'taking part' ? 1 : 0, `${name}: counted`);
    const recomputed = fleet.shardsRecomputed - this.#recomputed;
    if (owes === 'something') t.ok(recomputed > 0, `${name}: others computed ${recomputed} shards again`);
    else if (owes === 'nothing') t.equal(recomputed, 0, `${name}: owed nothing`);
    else t.comment(`${name}: others computed ${recomputed} shards again`);
  }

  async #event(kind: string): Promise<void> {
    await this.#run.log.waitFor(
      `${kind} ${this.#name} ${this.#process.stderr}`,
      (event) => event.kind === kind && 'name' in event && event.name === this.#name,
    );
  }
}

for (const mode of ['sync', 'ghost'] as const) {
  t.test(`${mode}: workers are killed at every phase`, { buffered: true }, async (t) => {
    const alone = bitsOf(await train(recipe(mode), { source }));
    const run = await RemoteRun.open({ fields: recipe(mode), source, workers: 2 });
    t.teardown(() => run.close());
    const survivors = ['first', 'second'].map((name) => startWorker(t, { ...run.way, name }));
    const dismissed = startWorker(t, { ...run.way, name: 'dismissed', fate: { phase: 'dismissed' } });
    const queues = { between: [...between], during: [...during[mode]] };
    let death: Death | null = null;
    // The run is held after every step, so each victim comes exactly where it is to die.
    const onStep = async ({ step }: StepReport): Promise<void> => {
      await death?.check();
      death = null;
      if (step === steps) return;
      const early = queues.between.shift();
      if (early !== undefined) await new Death(t, run, early).whole();
      const late = step === stepsPerEpoch ? evaluating : queues.during.shift();
      if (late !== undefined) death = new Death(t, run, late);
      await death?.prepare();
    };
    const trained = await run.train({ onStep });
    t.same(queues, { between: [], during: [] }, 'all victims had their turn');
    t.same(bitsOf(trained), alone);
    t.equal(trained.deaths, during[mode].length + 2);
    t.equal(trained.joins, 3 + during[mode].length + 3);
    t.equal(
      trained.work.reduce((sum, { shards }) => sum + shards, 0),
      epochs * shardsPerEpoch,
      'every shard of every step counts once',
    );
    t.same(await dismissed.exited, { code: null, signal: 'SIGKILL' }, 'one is killed as it is sent home');
    for (const survivor of survivors) {
      t.same(await survivor.exited, { code: 0, signal: null });
      t.equal(survivor.log.count('welcomed'), 1, 'a survivor has one session');
      t.match(survivor.log.all.at(-1), { kind: 'ended', reason: 'the run is done' });
    }
  });
}
