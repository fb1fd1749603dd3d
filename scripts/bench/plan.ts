/** What is to be measured, how, and about how long that takes. */
import { classCount, type DatasetSource, imageShape, openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { parseArchitecture } from '../../shared/model/architecture.ts';
import { type Draft, draftRecipe, type Label } from '../../shared/recipe/resolve.ts';
import { type DenseShape, denseShapes } from '../flops.ts';
import { warmUpTurns } from './interleave.ts';
import type { PeerLaunch } from './peers/peer.ts';
import type { MissingPeer } from './peers/peers.ts';

export interface BenchPlan {
  readonly recipes: readonly BenchRecipe[];
  readonly batchSizes: readonly number[];
  /** Ascending. */
  readonly threads: readonly number[];
  /** How many worker processes of one thread each; ascending, none for no such side. */
  readonly workers: readonly number[];
  /** How many ranks of MPI of one thread each; ascending, none for no such side. */
  readonly ranks: readonly number[];
  /** The file that starts ranks; empty where there are none to be started. */
  readonly mpirun: string;
  /** Whether ranks may see each other's memory. */
  readonly windows: boolean;
  readonly kernels: readonly LoadedKernels[];
  readonly rounds: number;
  /** Of a turn. */
  readonly seconds: number;
  /** Others to measure, each in its ways, and those that are not here. */
  readonly peers: readonly PeerLaunch[];
  readonly missing: readonly MissingPeer[];
}

export interface BenchRecipe {
  readonly name: string;
  readonly label: Label;
  readonly source: DatasetSource;
  /** By batch size. */
  readonly drafts: readonly Draft[];
}

/**
 * A recipe as it is measured, once for every batch size.
 * @throws LockstepError (USAGE, DATA)
 */
export function benchRecipe(
  { name, fields, label }: { name: string; fields: Readonly<Record<string, unknown>>; label: Label },
  batchSizes: readonly number[],
): BenchRecipe {
  draftRecipe(fields, label); // what is left out below is checked too
  const drafts = batchSizes.map((batchSize) => draftFor(fields, batchSize, label));
  return { name, label, source: openDataset(drafts[0].data, knownDatasets, label('data')), drafts };
}

/** Roughly: starting a team or a peer, measuring the limits of a set and the products of a layer. */
const startSeconds = 0.2;
const workersStartSeconds = 1;
const ranksStartSeconds = 2;
const peerStartSeconds = 3;
const limitSeconds = 0.2;
/** So often peaks are measured before anything else; once more before every group. */
export const limitPasses = 4;
const memorySeconds = 0.5;
const productSeconds = 0.5;

/** About how many seconds the whole will take. */
export function estimateSeconds({
  recipes,
  batchSizes,
  threads,
  workers,
  ranks,
  kernels,
  rounds,
  seconds,
  peers,
}: BenchPlan): number {
  const sides = threads.length * kernels.length;
  const ofTurns = seconds * (warmUpTurns + rounds);
  const perGroup =
    sides * (2 * startSeconds + ofTurns + (warmUpTurns + 1) * seconds) +
    workers.length * kernels.length * (workersStartSeconds + ofTurns + seconds) +
    ranks.length * kernels.length * (ranksStartSeconds + ofTurns) +
    peers.length * (peerStartSeconds + ofTurns);
  const products = recipes.reduce((sum, { drafts }) => sum + shapesOf(drafts[0]).length, 0);
  return (
    memorySeconds +
    limitSeconds * kernels.length * (limitPasses + recipes.length * batchSizes.length) +
    recipes.length * batchSizes.length * perGroup +
    productSeconds * products * batchSizes.length * kernels.length
  );
}

/** The dense layers of what is measured. */
export function shapesOf({ model }: Draft): DenseShape[] {
  return denseShapes(parseArchitecture(model, imageShape, classCount, 'model'));
}

/**
 * The values that a model starts from and the identity of its data do not matter; a shard size goes with its own
 * batch size only.
 */
function draftFor(fields: Readonly<Record<string, unknown>>, batchSize: number, label: Label): Draft {
  const { dataset: _, init, shardSize, ...rest } = fields;
  return draftRecipe(
    {
      ...rest,
      batchSize,
      trainSamples: null,
      ...(init === undefined || String(init).startsWith('sha256:') ? {} : { init }),
      ...(shardSize === undefined || batchSize !== fields.batchSize ? {} : { shardSize }),
    },
    label,
  );
}
