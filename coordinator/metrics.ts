/** The run in numbers for Prometheus. All of them are worked out when they are asked for, and not before. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { WorkAccount } from '../shared/training.ts';
import type { Activity, LiveRun, WorkerState } from './live-run.ts';
import type { EpochReport, StepReport } from './reports.ts';
import { type StepTimes, stepLimits } from './step-times.ts';

/** Workers that have numbers of their own; those of all others are summed up. */
export const mostLabels = 64;
export const otherWorkers = 'others';

/** Where the numbers come from. */
export interface Measured {
  /** Null before the run is there. */
  readonly live: LiveRun | null;
  /** The last step that was reported: samples trained on here, and `stepTimes`, are those up to it. */
  readonly lastStep: StepReport | null;
  readonly samples: number;
  readonly stepTimes: StepTimes;
  readonly lastEpoch: EpochReport | null;
  /** Samples over the last seconds. */
  readonly perSecond: number;
}

/** The value of the label, and the number. */
type Sample = readonly [string, number];

/** Gauges of prom-client whose names end as a counter's. */
const misnamed = ['handles', 'requests', 'resources'].map((name) => `nodejs_active_${name}_total`);

const states: readonly WorkerState[] = ['joining', 'working', 'late', 'behind', 'gone'];
const activities: readonly Activity[] = ['waiting', 'training', 'evaluating', 'over'];

export class Metrics {
  /** Its own: a program may have others. */
  readonly #registry = new Registry();
  readonly #measured: Measured;
  /** Workers that have numbers of their own. */
  readonly #labels = new Set<string>();

  constructor(measured: Measured) {
    this.#measured = measured;
    this.#addRun();
    this.#addWorkers();
    collectDefaultMetrics({ register: this.#registry });
    for (const name of misnamed) this.#registry.removeSingleMetric(name);
  }

  /** The type of the text, for its reader. */
  get type(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    // All are read at one moment, before anything is waited for.
    const histogram = stepSeconds(this.#measured.stepTimes);
    return `${await this.#registry.metrics()}\n${histogram}`;
  }

  #addRun(): void {
    const measured = this.#measured;
    const run = (of: (live: LiveRun) => number | null) => () =>
      measured.live === null ? null : of(measured.live);
    const test = (of: (report: EpochReport) => number) => () =>
      measured.lastEpoch === null ? null : of(measured.lastEpoch);
    const counter = (name: string, help: string, value: () => number | null) =>
      this.#counters(name, help, null, () => [['', value() ?? 0]]);
    const gauge = (name: string, help: string, value: () => number | null) =>
      this.#gauges(name, help, null, () => {
        const now = value();
        return now === null ? [] : [['', now]];
      });
    counter(
      'steps',
      'Steps since the run began, those before this process too.',
      () => measured.lastStep?.step ?? measured.live?.run.committed ?? 0,
    );
    counter(
      'samples',
      'Samples of the steps that this process trained, which lockstep_step_seconds_count counts.',
      () => measured.samples,
    );
    gauge(
      'epoch',
      'Epoch that is being trained, from 1.',
      run((live) => live.position().epoch),
    );
    gauge('loss', 'Average loss of the samples of the last step.', () => measured.lastStep?.loss ?? null);
    gauge(
      'test_loss',
      'Average loss of the test set after the last epoch.',
      test(({ testLoss }) => testLoss),
    );
    gauge(
      'test_accuracy_ratio',
      'Share of the test set that was right after the last epoch.',
      test(({ testAccuracy }) => testAccuracy),
    );
    gauge('samples_per_second', 'Samples trained on over the last seconds.', () => measured.perSecond);
    counter(
      'worker_deaths',
      'Workers or threads that died since this process began.',
      run((live) => live.account().deaths),
    );
    counter(
      'worker_joins',
      'Times that a worker joined, or came back, since this process began.',
      run((live) => live.account().joins),
    );
    counter(
      'shards_recomputed',
      'Shards computed again because a worker was lost or late, since this process began.',
      run((live) => live.account().shardsRecomputed),
    );
    this.#gauges('activity', 'What the run is busy with: 1 for one of them.', 'activity', () =>
      activities.map((activity) => [activity, measured.live?.activity() === activity ? 1 : 0]),
    );
  }

  #addWorkers(): void {
    const workers = () => this.#measured.live?.workers() ?? [];
    const work = (name: string, help: string, of: (work: WorkAccount) => number | undefined) =>
      this.#counters(name, help, 'worker', () => {
        const { live } = this.#measured;
        const known = (live?.account().work ?? []).map((one) => [one.name, of(one)] as const);
        return this.#summed(known.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
      });
    this.#gauges('workers', 'Workers by what they are doing.', 'state', () => {
      const now = workers().map(({ state }) => state);
      return states.map((state) => [state, now.filter((one) => one === state).length]);
    });
    this.#gauges('worker_delay_seconds', 'From a message to a worker to its answer.', 'worker', () => {
      const longest = new Map<string, number>();
      for (const { name, delayMs } of workers()) {
        const label = this.#labelOf(name);
        // A sum of delays would say nothing: those of others are left out.
        if (delayMs === null || label === otherWorkers) continue;
        longest.set(label, Math.max(longest.get(label) ?? 0, delayMs / 1000));
      }
      return [...longest];
    });
    const whose = 'by worker, or by thread where no workers compute';
    work('worker_shards', `Shards computed in committed steps, ${whose}.`, ({ shards }) => shards);
    work(
      'worker_busy_seconds',
      `Seconds of computing in committed steps, ${whose}.`,
      ({ seconds }) => seconds,
    );
    work('worker_sent_bytes', 'Bytes that came from a worker.', ({ bytesUp }) => bytesUp);
    work('worker_received_bytes', 'Bytes that went to a worker.', ({ bytesDown }) => bytesDown);
  }

  /** A label of its own for the first workers, who keep it: what is left to others never becomes less. */
  #labelOf(name: string): string {
    // Halves of characters would become one and the same when they are sent.
    const label = name.toWellFormed();
    if (!this.#labels.has(label) && this.#labels.size < mostLabels) this.#labels.add(label);
    return this.#labels.has(label) ? label : otherWorkers;
  }

  /** What all others have is one sample more, so that nobody's names can make them many. */
  #summed(samples: readonly Sample[]): Sample[] {
    const sums = new Map<string, number>();
    for (const [name, value] of samples) {
      const label = this.#labelOf(name);
      sums.set(label, (sums.get(label) ?? 0) + value);
    }
    return [...sums];
  }

  #gauges(name: string, help: string, label: string | null, samples: () => readonly Sample[]): void {
    new Gauge({
      name: `lockstep_${name}`,
      help,
      labelNames: label === null ? [] : [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        if (label === null) this.remove();
        for (const [of, value] of samples()) this.set(label === null ? {} : { [label]: of }, value);
      },
    });
  }

  #counters(name: string, help: string, label: string | null, samples: () => readonly Sample[]): void {
    new Counter({
      name: `lockstep_${name}_total`,
      help,
      labelNames: label === null ? [] : [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [of, value] of samples()) this.inc(label === null ? {} : { [label]: of }, value);
      },
    });
  }
}

/**
 * The histogram, whose counts are kept as steps are reported: telling the library of each of them would take longer
 * than all else that is done with a step here.
 */
function stepSeconds({ counts, sum, count }: StepTimes): string {
  const name = 'lockstep_step_seconds';
  let below = 0;
  const buckets = [...stepLimits, '+Inf'].map((limit, i) => {
    below += counts[i];
    return `${name}_bucket{le="${limit}"} ${below}\n`;
  });
  return (
    `# HELP ${name} Seconds that steps took in this process.\n# TYPE ${name} histogram\n` +
    `${buckets.join('')}${name}_sum ${sum}\n${name}_count ${count}\n`
  );
}
