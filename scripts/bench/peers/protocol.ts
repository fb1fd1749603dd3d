/**
 * What a peer is told and what it answers. A peer is a process of its own with another library in it; it gets one
 * argument of JSON ({@link PeerJob}, with its settings), says once that it is ready, as a line of JSON on stdout
 * ({@link PeerReady}), and then answers each line `{"seconds": s}` of stdin with one line ({@link PeerRun}). The end
 * of stdin ends it.
 */
import { quoted } from '../../../shared/errors.ts';

/** A layer; sizes of inputs are those of the weights. */
export type PeerLayer =
  | { readonly kind: 'dense'; readonly units: number }
  | { readonly kind: 'sigmoid' | 'relu' | 'tanh' }
  /** `momentum` is the share of the running statistics that is kept. */
  | { readonly kind: 'batchnorm'; readonly momentum: number; readonly epsilon: number };

/** What all peers train alike: the network under mean cross entropy, by SGD. */
export interface PeerJob {
  /** Paths of IDX files, not compressed. */
  readonly images: string;
  readonly labels: string;
  /** A byte x becomes (x ÷ 255 − mean) · factor. */
  readonly scale: { readonly mean: number; readonly factor: number };
  /** The first so many are trained on, a multiple of the batch size. */
  readonly samples: number;
  readonly batchSize: number;
  readonly layers: readonly PeerLayer[];
  readonly learningRate: number;
  readonly momentum: number;
  /** Path of a safetensors file with the initial values, named as those of PyTorch's `nn.Sequential`. */
  readonly weights: string;
}

/** In which of its ways a peer trains. */
export interface PeerSettings {
  /** Threads of the library. */
  readonly threads: number;
  /** Threads of the BLAS that it calls, where that has threads of its own. */
  readonly blasThreads: number;
  /** More than one: data-parallel processes, each with an equal part of the batch. */
  readonly processes: number;
  /** For libraries that have several. */
  readonly backend: string;
}

/** Said once, after the data is loaded and one step is done. */
export interface PeerReady {
  readonly version: string;
  /** How it trains, in words. */
  readonly settings: string;
  /** Mean loss of the first batch in file order, before any update. */
  readonly firstLoss: number;
  /** What keeps it from being as fast here as it could be, and what to do; null if nothing is known. */
  readonly advice: string | null;
}

/** What was done in answer to one line. */
export interface PeerRun {
  readonly samples: number;
  readonly steps: number;
  /** From the first step's start until the last one's loss was there. */
  readonly seconds: number;
  /** Mean loss of the last batch, before its update. */
  readonly loss: number;
}

/** A line that is not what it has to be. */
export class BadLine extends Error {}

/** @throws BadLine */
export function parseReady(line: string): PeerReady {
  const { ready, version, settings, firstLoss, advice = null } = parseObject(line);
  if (
    ready !== true ||
    typeof version !== 'string' ||
    typeof settings !== 'string' ||
    typeof firstLoss !== 'number' ||
    (advice !== null && typeof advice !== 'string')
  ) {
    throw new BadLine(`got ${quoted(line)}, expected {"ready": true, "version", "settings", "firstLoss"}`);
  }
  return { version, settings, firstLoss, advice };
}

/** @throws BadLine */
export function parseRun(line: string): PeerRun {
  const { samples, steps, seconds, loss } = parseObject(line);
  if (!isCount(samples) || !isCount(steps) || !isPositive(seconds) || typeof loss !== 'number') {
    throw new BadLine(`got ${quoted(line)}, expected {"samples", "steps", "seconds", "loss"}`);
  }
  return { samples, steps, seconds, loss };
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new BadLine(`got ${quoted(line)}, expected a line of JSON`, { cause });
  }
  throw new BadLine(`got ${quoted(line)}, expected a JSON object`);
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

function isCount(value: unknown): value is number {
  return isPositive(value) && Number.isSafeInteger(value);
}
