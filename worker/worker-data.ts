/** Where a worker's data comes from: its own copy where the content is the same, else the coordinator, once. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DatasetSource, datasetId, openDataset, type SplitDigests } from '../shared/data/dataset.ts';
import { idxDigest, idxHeader } from '../shared/data/idx.ts';
import { knownDatasets } from '../shared/data/known-datasets.ts';
import { dataError, LockstepError, reasonOf } from '../shared/errors.ts';
import { datasetPieces, loadDataset, splitViews } from '../shared/load-data.ts';
import { bytesOfPieces, type Pieces, writePieces } from '../shared/pieces.ts';
import { chunkBytes } from '../shared/wire/limits.ts';
import type { DataSink } from './session.ts';
import type { WorkerMemory } from './worker-memory.ts';

export interface DataPlaces {
  /** A data set's name or a folder that the user gave. */
  readonly data: string | null;
  /** Data that came from coordinators, a folder by its identity each; null to keep none. */
  readonly cache: string | null;
}

/** So many bytes of so many came from the coordinator. */
export type DataProgress = (bytes: number, total: number) => void;

/** Whether the data was on this machine, was kept from an earlier run, or came from the coordinator. */
export type DataOrigin = 'own' | 'cached' | 'fetched';

/**
 * Brings the data of a recipe into a worker's memory.
 * @param fetch asks the coordinator for it
 * @throws LockstepError (DATA) when what the coordinator sends is not the data of the recipe
 */
export async function bringData(
  memory: WorkerMemory,
  { data, cache }: DataPlaces,
  fetch: (sink: DataSink) => Promise<void>,
  warn: (line: string) => void,
  progress: DataProgress = () => {},
): Promise<DataOrigin> {
  const { dataset } = memory.recipe;
  const cached = cache === null ? null : join(cache, dataset);
  const own = [...(data === null ? [] : [data]), ...knownDatasets.map(({ name }) => name)];
  if (cached !== null && existsSync(cached) && (await holds(cached, memory))) return 'cached';
  for (const name of own) if (await holds(name, memory)) return 'own';
  await fetch(new Sink(memory, progress));
  const digests = (split: 'train' | 'test'): SplitDigests => {
    const { images, labels } = viewsOf(memory, split);
    return { images: idxDigest('images', images), labels: idxDigest('labels', labels) };
  };
  const got = datasetId(digests('train'), digests('test'));
  if (got !== dataset) {
    throw dataError(`the coordinator sent data with SHA-256 ${got}, its recipe says ${dataset}`);
  }
  if (cached !== null) keep(cached, memory, warn);
  return 'fetched';
}

/** Loads a data set if it is the recipe's. One that is broken or not there is none. */
async function holds(name: string, memory: WorkerMemory): Promise<boolean> {
  const { samples } = memory.setup.sizes;
  let source: DatasetSource;
  try {
    source = openDataset(name);
    if (source.samples.train !== samples.train || source.samples.test !== samples.test) return false;
    return (await loadDataset(source, memory.training.plan, memory.memory)) === memory.recipe.dataset;
  } catch (error) {
    if (error instanceof LockstepError) return false;
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

function viewsOf({ training, memory }: WorkerMemory, split: 'train' | 'test') {
  return splitViews(training.plan[split], memory);
}

/** Keeps data as four IDX files in a folder that appears when it is whole. A worker computes without, too. */
function keep(folder: string, memory: WorkerMemory, warn: (line: string) => void): void {
  const temporary = `${folder}.${createHash('sha256').update(`${process.pid}`).digest('hex').slice(0, 8)}`;
  try {
    mkdirSync(temporary, { recursive: true });
    for (const [split, prefix] of [
      ['train', 'train'],
      ['test', 't10k'],
    ] as const) {
      const { images, labels } = viewsOf(memory, split);
      const write = (name: string, header: Uint8Array, bytes: Uint8Array) =>
        writeFileSync(join(temporary, `${prefix}-${name}-ubyte`), Buffer.concat([header, bytes]));
      write('images-idx3', idxHeader('images', labels.length), images);
      write('labels-idx1', idxHeader('labels', labels.length), labels);
    }
    rmSync(folder, { recursive: true, force: true }); // what is there was not the data
    renameSync(temporary, folder);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary, { recursive: true, force: true });
    // Another worker of this machine may have kept it in the same moment.
    if (!existsSync(folder)) warn(`cannot keep the data in ${folder}: ${reasonOf(error)}`);
  }
}
