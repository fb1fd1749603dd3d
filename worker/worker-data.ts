/** Where a worker's data comes from: its own copy where the content is the same, else the coordinator, once. */
import { join } from 'node:path';
import { datasetId, openDataset, type SplitDigests, type SplitName } from '../shared/data/dataset.ts';
import { idxDigest } from '../shared/data/idx.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { shownPath } from '../shared/data/regular-file.ts';
import { dataError, LockstepError, reasonOf } from '../shared/errors.ts';
import { datasetPieces, loadDataset, splitViews } from '../shared/load-data.ts';
import { bytesOfPieces, type Pieces, writePieces } from '../shared/pieces.ts';
import { chunkBytes } from '../shared/wire/limits.ts';
import { keepData, keptData, type SplitViews } from './data-cache.ts';
import type { DataSink } from './data-intake.ts';
import type { WorkerMemory } from './worker-memory.ts';

export interface DataPlaces {
  /** A data set's name or a folder that the user gave. */
  readonly data: string | null;
  /** Data that came from coordinators, a folder by its identity each; null to keep none. */
  readonly cache: string | null;
}

/** So many bytes of so many came from the coordinator. */
export type DataProgress = (bytes: number, total: number) => void;

/**
 * Where the data was: `own` on this machine, `cached` what an earlier run left here, `fetched` at the coordinator, `kept`
 * there too, and now here for the next time.
 */
export type DataOrigin = 'own' | 'cached' | 'fetched' | 'kept';

/**
 * Brings the data of a recipe into a worker's memory.
 * @param fetch asks the coordinator for it
 * @param warn told in a line when the data that the user gave is not the recipe's, or what came cannot be kept
 * @throws LockstepError (DATA) when what the coordinator sends is not the data of the recipe
 */
export async function bringData(
  memory: WorkerMemory,
  places: DataPlaces,
  fetch: (sink: DataSink) => Promise<void>,
  warn: (line: string) => void,
  progress: DataProgress = () => {},
): Promise<DataOrigin> {
  const { data } = places;
  const problem = data === null ? null : await load(data, memory);
  if (data !== null && problem === null) return 'own';
  const origin = await bringOther(memory, places.cache, fetch, warn, progress);
  if (data !== null)
    warn(`the data ${shownPath(data)} is not used: ${problem}; it came ${wordsFor[origin]} instead`);
  return origin;
}

const wordsFor: Readonly<Record<DataOrigin, string>> = {
  own: 'from another copy here',
  cached: 'from what an earlier run left here',
  fetched: 'from the coordinator',
  kept: 'from the coordinator',
};

/** Brings the data from anywhere but where the user said. */
async function bringOther(
  memory: WorkerMemory,
  cache: string | null,
  fetch: (sink: DataSink) => Promise<void>,
  warn: (line: string) => void,
  progress: DataProgress,
): Promise<DataOrigin> {
  const { dataset } = memory.recipe;
  const cached = cache === null ? null : keptData(cache, dataset);
  if (cached !== null && (await load(cached, memory)) === null) return 'cached';
  for (const { name } of knownDatasets) if ((await load(name, memory)) === null) return 'own';
  await fetch(new Sink(memory, progress));
  const splits = { train: viewsOf(memory, 'train'), test: viewsOf(memory, 'test') };
  const got = datasetId(digestsOf(splits.train), digestsOf(splits.test));
  if (got !== dataset) {
    throw dataError(`the coordinator sent data with SHA-256 ${got}, its recipe says ${dataset}`);
  }
  if (cache === null) return 'fetched';
  try {
    keepData(cache, dataset, splits, Date.now());
    return 'kept';
  } catch (error) {
    // A worker computes without, too.
    warn(`cannot keep the data in ${join(cache, dataset)}: ${reasonOf(error)}`);
    return 'fetched';
  }
}

/** Loads a data set; returns null, or why it is not the recipe's. */
async function load(name: string, memory: WorkerMemory): Promise<string | null> {
  const { dataset } = memory.recipe;
  const { samples } = memory.setup.sizes;
  try {
    const source = openDataset(name);
    const { train, test } = source.samples;
    if (train !== samples.train || test !== samples.test)
      return `it has ${train} + ${test} samples, the recipe's ${samples.train} + ${samples.test} (SHA-256 ${dataset})`;
    const got = await loadDataset(source, memory.training.plan, memory.memory);
    return got === dataset ? null : `it has SHA-256 ${got}, the recipe's ${dataset}`;
  } catch (error) {
    if (error instanceof LockstepError) return error.message;
    throw error;
  }
}

/** Takes the data set as it comes, end to end. */
class Sink implements DataSink {
  readonly #pieces: Pieces;
  readonly #bytes: number;
  readonly #progress: DataProgress;
  #next = 0;

  constructor(memory: WorkerMemory, progress: DataProgress) {
    this.#progress = progress;
    this.#pieces = datasetPieces(memory.training.plan, memory.memory);
    this.#bytes = bytesOfPieces(this.#pieces);
  }

  chunk(panel: number, bytes: Uint8Array): boolean {
    const first = panel * chunkBytes;
    const expected = Math.min(chunkBytes, this.#bytes - first);
    if (panel !== this.#next || bytes.length !== expected) {
      throw dataError(
        `the coordinator sent chunk ${panel} of the data in ${bytes.length} bytes, ` +
          `expected chunk ${this.#next} in ${Math.min(chunkBytes, this.#bytes - this.#next * chunkBytes)}`,
      );
    }
    this.#next += 1;
    writePieces(this.#pieces, first, bytes);
    this.#progress(first + bytes.length, this.#bytes);
    return first + bytes.length === this.#bytes;
  }
}

function viewsOf({ training, memory }: WorkerMemory, split: SplitName): SplitViews {
  return splitViews(training.plan[split], memory);
}

function digestsOf({ images, labels }: SplitViews): SplitDigests {
  return { images: idxDigest('images', images), labels: idxDigest('labels', labels) };
}
