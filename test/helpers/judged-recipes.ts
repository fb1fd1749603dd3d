/** The recipes that judges train after the product, each said twice: as a recipe, and by hand in their words. */
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Layer } from './reference/layers.ts';
import type { ReferenceOptions } from './reference/network.ts';

export interface JudgedRecipe {
  readonly name: string;
  readonly fields: RecipeFields & { readonly batchSize: number; readonly scale: 'signed' | 'standard' };
  /** Samples of the last batch of the epoch. */
  readonly lastBatch: number;
  readonly layers: readonly Layer[];
  readonly options: ReferenceOptions;
}

const dense = (inputs: number, outputs: number): Layer => ({ kind: 'dense', inputs, outputs });
const batchNorm = (features: number, changes: { epsilon?: number; unbiased?: boolean } = {}): Layer => ({
  kind: 'batchnorm',
  features,
  momentum: 0.9,
  epsilon: 1e-5,
  unbiased: false,
  ...changes,
});
const plain: ReferenceOptions = {
  batchNorm: 'sync',
  shardSize: 1,
  learningRate: 0.1,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
};

/** The study note's network and settings, with its batch of 64. */
export const note: JudgedRecipe = {
  name: 'the note: dense sigmoid batchnorm dense',
  fields: {
    scale: 'signed',
    model: 'dense(200) sigmoid batchnorm(momentum=0.9,epsilon=1e-6,scale=uniform) dense(10) affine',
    init: 'std_normal',
    optimizer: 'sgd(lr=0.01)',
    batchSize: 64,
  },
  lastBatch: 64,
  layers: [
    dense(784, 200),
    { kind: 'sigmoid' },
    batchNorm(200, { epsilon: 1e-6 }),
    dense(200, 10),
    { kind: 'affine', slope: 1, intercept: 0 },
  ],
  options: { ...plain, learningRate: 0.01 },
};

/** The network and optimizer of the recipe `mnist`, with smaller batches. */
export const mnist: JudgedRecipe = {
  name: 'the recipe mnist: two batch norms before relu, momentum',
  fields: {
    scale: 'standard',
    model: 'dense(256) batchnorm relu dense(128) batchnorm relu dense(10)',
    init: 'he',
    optimizer: 'sgd(lr=0.05,momentum=0.9)',
    batchSize: 32,
  },
  lastBatch: 32,
  layers: [
    dense(784, 256),
    batchNorm(256),
    { kind: 'relu' },
    dense(256, 128),
    batchNorm(128),
    { kind: 'relu' },
    dense(128, 10),
  ],
  options: { ...plain, learningRate: 0.05, momentum: 0.9 },
};

export const threeNorms: JudgedRecipe = {
  name: 'three batch norms, tanh, affine, both variances, a short last batch',
  fields: {
    scale: 'signed',
    model:
      'dense(43) batchnorm tanh dense(21) batchnorm(variance=unbiased) affine(slope=1.5,intercept=-0.25) tanh dense(10) batchnorm',
    init: 'glorot',
    optimizer: 'sgd(lr=0.1)',
    batchSize: 32,
    shardSize: 5,
  },
  lastBatch: 13,
  layers: [
    dense(784, 43),
    batchNorm(43),
    { kind: 'tanh' },
    dense(43, 21),
    batchNorm(21, { unbiased: true }),
    { kind: 'affine', slope: 1.5, intercept: -0.25 },
    { kind: 'tanh' },
    dense(21, 10),
    batchNorm(10),
  ],
  options: plain,
};

export const ghost: JudgedRecipe = {
  name: 'ghost batch norm, nesterov, weight decay, shards that divide no batch',
  fields: {
    scale: 'standard',
    model: 'dense(30) batchnorm tanh dense(19) batchnorm relu dense(10)',
    init: 'he',
    optimizer: 'sgd(lr=0.02,momentum=0.9,nesterov=true,weightDecay=0.001)',
    batchSize: 30,
    shardSize: 8,
    batchNorm: 'ghost',
  },
  lastBatch: 9,
  layers: [
    dense(784, 30),
    batchNorm(30),
    { kind: 'tanh' },
    dense(30, 19),
    batchNorm(19),
    { kind: 'relu' },
    dense(19, 10),
  ],
  options: {
    batchNorm: 'ghost',
    shardSize: 8,
    learningRate: 0.02,
    momentum: 0.9,
    nesterov: true,
    weightDecay: 0.001,
  },
};

export const judgedRecipes: readonly JudgedRecipe[] = [note, mnist, threeNorms, ghost];
