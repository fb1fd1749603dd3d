/** Runs that go on until a test has seen enough: what they are compared with, and their pace. */
import type { StepReport } from '../../coordinator/reports.ts';
import type { DatasetSource } from '../../shared/data/dataset.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { type RemoteOptions, RemoteRun } from './remote-run.ts';
import { bitsOf, syntheticDataset, type Trained, train } from './train.ts';

/** More epochs than anybody waits for. */
export const openEndedRecipe = (batchNorm: 'sync' | 'ghost' = 'sync'): RecipeFields => ({
  model: 'dense(64) batchnorm relu dense(10)',
  batchSize: 256,
  shardSize: 16,
  optimizer: 'sgd(lr=0.01,momentum=0.9)',
  epochs: 5000,
  batchNorm,
});

export const openEndedSource = (): DatasetSource => syntheticDataset(11, 2000, 150);

/** The bits of one thread that stops after so many steps. */
export async function bitsAfter(fields: RecipeFields, source: DatasetSource, steps: number) {
  const onStep = ({ step }: StepReport) => step < steps;
  return bitsOf(await train(fields, { source, hooks: { onStep } }));
}

/** A run with its workers' door open that trains until it is told to stop. */
export class OpenEndedRun {
  readonly remote: RemoteRun;
  /** Of every step, in order. */
  readonly steps: StepReport[] = [];
  readonly trained: Promise<Trained>;
  readonly #stop = new AbortController();

  private constructor(remote: RemoteRun) {
    this.remote = remote;
    this.trained = remote.train({
      signal: this.#stop.signal,
      onSteps: (reports) => this.steps.push(...reports),
    });
  }

  static async open(options: RemoteOptions): Promise<OpenEndedRun> {
    return new OpenEndedRun(await RemoteRun.open(options));
  }

  stop(): Promise<Trained> {
    this.#stop.abort();
    return this.trained;
  }

  /** Seconds that a step took, from its number on; the median of some steps. */
  usualMs(from = 0, to = this.steps.length): number {
    const ms = this.steps.slice(from, to).map(({ seconds }) => 1000 * seconds);
    return ms.toSorted((a, b) => a - b)[ms.length >> 1];
  }
}
