/** A run as the page is told of it: made up, seeded, with everything that can be shown. */
import type {
  EpochPoint,
  FeedMessage,
  RunEvent,
  RunFacts,
  StepPoint,
  WorkerPoint,
} from '../../coordinator/dashboard/feed.ts';
import type { Phase, StepTimeline, TimelineSegment } from '../../shared/timeline.ts';
import { randomNumbers } from './reference/random-data.ts';

type Of<Type extends FeedMessage['type']> = Extract<FeedMessage, { type: Type }>;

export const stepsOfEpoch = 938;
const epochCount = 10;
const steps = stepsOfEpoch * epochCount;

export const shownFacts: RunFacts = {
  version: '0.1.0',
  recipeName: 'mnist',
  recipeId: '5f1c7e3a90b24d6688aa04c1f2d97b3e5f1c7e3a90b24d6688aa04c1f2d97b3e',
  recipe: {
    arithmetic: 1,
    dataset: 'c0ffee5f1c7e3a90b24d6688aa04c1f2d97b3e5f1c7e3a90b24d6688aa04c1f2',
    trainSamples: null,
    scale: 'signed',
    model: 'dense(200) batchnorm relu dense(100) batchnorm relu dense(10)',
    init: 'he',
    optimizer: 'sgd(lr=0.1,momentum=0.9)',
    schedule: 'constant',
    batchSize: 64,
    shardSize: 16,
    batchNorm: 'sync',
    dropLast: false,
    resetRunningStats: 'never',
    epochs: epochCount,
    seed: 0,
  },
  model: 'dense(200) batchnorm relu dense(100) batchnorm relu dense(10)',
  scale: 'signed',
  epochs: epochCount,
  steps: stepsOfEpoch,
  batchSize: 64,
  samples: 60_000,
  parameters: 178_510,
  kernels: 'native:avx512',
};

/** Points of the first `done` steps, `every` steps each. */
export function shownPoints(done: number, every: number): StepPoint[] {
  const random = randomNumbers(7);
  return Array.from({ length: Math.floor(done / every) }, (_, i) => {
    const step = (i + 1) * every;
    const loss = 2.1 * (1 + step / 120) ** -0.75 * (1 + 0.16 * random());
    return {
      step,
      epoch: step / stepsOfEpoch,
      seconds: step * 0.0021,
      loss,
      lossMin: loss * (0.62 + 0.1 * random()),
      lossMax: loss * (1.5 + 0.2 * random()),
      accuracy: Math.min(1, 1 - loss / 3.4),
      samplesPerSecond: 30_400 + 1_500 * random() - (step > 2000 && step < 2600 ? 9_000 : 0),
    };
  });
}

export function shownEpochs(count: number): EpochPoint[] {
  return Array.from({ length: count }, (_, i) => ({
    epoch: i + 1,
    step: (i + 1) * stepsOfEpoch,
    seconds: (i + 1) * stepsOfEpoch * 0.0021,
    loss: 0.42 / (i + 1.2),
    testLoss: 0.21 * (i + 1) ** -0.6 + 0.03,
    testAccuracy: 0.985 - 0.05 * 0.6 ** i,
    samplesPerSecond: 30_100,
  }));
}

export function shownWorker(rank: number, change: Partial<WorkerPoint> = {}): WorkerPoint {
  const names = ['mara', 'otto', 'ines', 'jonas'];
  return {
    id: `w${rank}`,
    name: names[rank] ?? `worker-${rank}`,
    address: `192.0.2.${10 + rank}:40${rank}12`,
    rank,
    threads: 2,
    kernels: rank === 2 ? 'wasm' : 'native:avx512',
    state: 'working',
    share: { lo: rank, hi: rank + 1 },
    shards: 4_211 - 3 * rank,
    samplesPerSecond: 7_604 - 120 * rank,
    delayMs: 0.31 + 0.4 * rank,
    silentMs: 120 + 40 * rank,
    ...change,
  };
}

export function shownNow(
  step: number,
  workers: readonly WorkerPoint[],
  change: Partial<Of<'now'>> = {},
): Of<'now'> {
  return {
    type: 'now',
    activity: 'training',
    waitingFor: null,
    epoch: Math.floor(step / stepsOfEpoch) + 1,
    stepOfEpoch: step % stepsOfEpoch,
    step,
    loss: 0.08123,
    samplesPerSecond: 30_416,
    secondsLeft: (steps - step) * 0.0021,
    workers,
    ...change,
  };
}

export function shownTimeline(step: number, workers: readonly WorkerPoint[]): StepTimeline {
  const random = randomNumbers(step);
  const plan: [Phase, number][] = [
    ['gather', 0.08],
    ['forward', 0.35],
    ['exchange', 0.12],
    ['waiting', 0.1],
    ['forward', 0.1],
    ['loss', 0.05],
    ['backward', 0.22],
    ['exchange', 0.12],
    ['backward', 0.2],
    ['waiting', 0.14],
    ['update', 0.4],
    ['other', 0.03],
  ];
  const thread = (): TimelineSegment[] => {
    let from = 0;
    return plan.map(([phase, length]) => {
      const to = from + length * (1 + 0.3 * random());
      const segment = { phase, from, to };
      from = to;
      return segment;
    });
  };
  return {
    step,
    workers: workers.map(({ id, name, threads }) => ({
      id,
      name,
      startMs: 0,
      threads: Array.from({ length: threads }, thread),
    })),
  };
}

export function shownBatchNorm(step: number): Of<'batchNorm'> {
  const random = randomNumbers(11);
  const bell = () => random() + random() + random();
  const layer = (name: string, width: number) => ({
    layer: name,
    mean: Array.from({ length: width }, () => 0.4 * bell()),
    variance: Array.from({ length: width }, () => (1 + 0.3 * bell()) ** 2),
  });
  return { type: 'batchNorm', step, layers: [layer('1', 200), layer('4', 100)] };
}

/** A thousand samples a class, some of which are mistaken. */
export function shownConfusion(epoch: number): Of<'confusion'>['confusion'] {
  const random = randomNumbers(5);
  const counts = Array.from({ length: 10 }, (_, label) => {
    const row = Array.from({ length: 10 }, (_, prediction) =>
      label === prediction ? 0 : Math.max(0, Math.floor(6 * random() ** 3 * 2)),
    );
    row[label] = 1000 - row.reduce((sum, count) => sum + count, 0);
    return row;
  });
  return { epoch, step: epoch * stepsOfEpoch, counts };
}

const startMs = Date.UTC(2026, 10, 23, 9, 30, 0);

export const shownEvents: readonly RunEvent[] = [
  { step: 0, atMs: startMs, text: 'mara joined from 192.0.2.10 with 2 threads' },
  { step: 0, atMs: startMs + 800, text: 'otto joined from 192.0.2.11 with 2 threads' },
  { step: 0, atMs: startMs + 1_400, text: 'ines joined from 192.0.2.12 with 2 threads' },
  { step: 938, atMs: startMs + 4_000, text: 'checkpoint after epoch 1' },
  { step: 2_031, atMs: startMs + 7_300, text: 'otto is late; its shards 4–7 went to mara' },
  { step: 2_604, atMs: startMs + 9_800, text: 'otto is in step again' },
  { step: 3_377, atMs: startMs + 12_100, text: 'jonas is gone; its shards were computed again by ines' },
];

export function shownRun(done: number, change: Partial<Of<'run'>> = {}): Of<'run'> {
  const epochs = Math.floor(done / stepsOfEpoch);
  return {
    type: 'run',
    facts: shownFacts,
    points: shownPoints(done, 8),
    epochs: shownEpochs(epochs),
    events: done === 0 ? [] : shownEvents,
    confusion: epochs === 0 ? null : shownConfusion(epochs),
    ...change,
  };
}

/** What is not known of a worker that is gone. */
const gone = { address: null, rank: null, share: null, silentMs: null, delayMs: null } as const;

/** In the middle of training, with workers in every state. */
export function busyRun(): FeedMessage[] {
  const done = 4_312;
  const workers = [
    shownWorker(0),
    shownWorker(1, { state: 'late', delayMs: 812, silentMs: 1_900, samplesPerSecond: 2_114 }),
    shownWorker(2, { silentMs: 4_300 }),
    shownWorker(3, { ...gone, state: 'gone' }),
  ];
  const timed = workers.slice(0, 3);
  return [
    shownRun(done),
    shownNow(done, workers),
    { type: 'timeline', steps: [4_100, 4_200, 4_300].map((step) => shownTimeline(step, timed)) },
    shownBatchNorm(done),
  ];
}
