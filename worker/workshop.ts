/** What a worker works with: the memory and the team of a recipe, kept from one session to the next. */
import type { LoadedKernels } from '../shared/kernels/load.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import { largestPayloadBytes, setupOf } from '../shared/setup.ts';
import type { Crew, Prepared } from './crew.ts';
import type { DataSink } from './data-intake.ts';
import type { Job } from './job.ts';
import { canComputeAlone, SoloCrew } from './solo-crew.ts';
import { Team } from './team.ts';
import { bringData, type DataOrigin, type DataPlaces, type DataProgress } from './worker-data.ts';
import { WorkerMemory } from './worker-memory.ts';

export interface WorkshopOptions {
  readonly threads: number;
  readonly kernels: LoadedKernels;
  readonly data: DataPlaces;
  onData(from: DataOrigin): void;
  onWarning(line: string): void;
  readonly onProgress?: DataProgress;
}

interface Closable extends Crew {
  close(): Promise<void>;
}

export class Workshop {
  readonly #options: WorkshopOptions;
  #prepared: (Prepared & { readonly key: string; readonly crew: Closable }) | null = null;

  constructor(options: WorkshopOptions) {
    this.#options = options;
  }

  /** Bytes of the largest payload of a frame of a recipe. */
  payloadBytes({ recipe, samples }: Job): number {
    return largestPayloadBytes(setupOf(recipe, samples, { threads: this.#options.threads }));
  }

  /**
   * Makes memory, data and team ready for a recipe. Nobody may be at work.
   * @param fetch asks the coordinator for the data
   * @throws LockstepError (USAGE, DATA, TEAM)
   */
  async prepare({ recipe, samples }: Job, fetch: (sink: DataSink) => Promise<void>): Promise<Prepared> {
    const key = JSON.stringify([canonicalJson(recipe), samples.train, samples.test]);
    if (this.#prepared?.key === key) return this.#prepared;
    await this.close();
    const { threads, kernels, data, onData, onWarning, onProgress } = this.#options;
    const memory = new WorkerMemory({ recipe, samples, kernels, threads });
    onData(await bringData(memory, data, fetch, onWarning, onProgress));
    const crew = canComputeAlone(memory.setup, memory.flatSize, kernels.set)
      ? new SoloCrew(memory)
      : await Team.start({ setup: memory.setup, kernels, memory: memory.memory });
    this.#prepared = { key, memory, crew };
    return this.#prepared;
  }

  /** Ends the team. */
  async close(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = null;
    await prepared?.crew.close();
  }
}
