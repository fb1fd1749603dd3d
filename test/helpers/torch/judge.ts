/** PyTorch as a judge, where a Python that has it is found: trains the same network on the same data. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Layer, sizeOf, type Tensors } from '../reference/layers.ts';
import type { ReferenceOptions } from '../reference/network.ts';

/** Long enough to load PyTorch from a cold disk and train some hundred steps; a child is killed after it. */
export const DEADLINE_MS = 120_000;
const PYTHONS = ['python3', '/usr/bin/python3'];

const run = promisify(execFile);

/** A Python with PyTorch, or `null` with what each candidate said. */
export type TorchHere = { python: string; version: string } | { python: null; reason: string };

export type TorchJob = ReferenceOptions & {
  layers: readonly Layer[];
  /** the initial state: the path of a safetensors file, or its bytes */
  initial: string | Uint8Array;
  /** x (samples, features), scaled */
  inputs: Float32Array;
  /** one a sample */
  labels: Uint8Array;
  batchSize: number;
  /** consecutive batches, the last one short, then again from the first sample */
  steps: number;
  dtype: 'float32' | 'float64';
};

export type TorchResult = {
  /** PyTorch's version */
  torch: string;
  /** the mean loss of each step's batch, before its update */
  losses: number[];
  /** of all samples after the last step, by the running statistics */
  evaluation: { loss: number; correct: number };
  /** the final parameters and running statistics in the order of the state dict */
  tensors: Tensors;
  /** the same as raw little-endian numbers of the job's dtype */
  bytes: Buffer;
};

/** PyTorch failed, or said something else than a result. */
export class TorchError extends Error {
  readonly code = 'TORCH_FAILED';
}

/** The first of `pythons` that can import torch. */
export async function findTorch(pythons: readonly string[] = PYTHONS): Promise<TorchHere> {
  const reasons: string[] = [];
  for (const python of pythons) {
    try {
      const { stdout } = await runPython(python, ['-c', 'import torch; print(torch.__version__)']);
      return { python, version: stdout.trim() };
    } catch (error) {
      reasons.push(`${python}: ${lastLine(error)}`);
    }
  }
  return { python: null, reason: reasons.join('; ') };
}

/**
 * Trains with the given Python, in a temporary folder that is removed again. Throws TorchError, also where
 * PyTorch has no answer: `nesterov` without momentum, or `sync` batch norm with unbiased running variance on
 * a batch of one sample.
 */
export async function trainWithTorch(python: string, job: TorchJob): Promise<TorchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-torch-'));
  try {
    const { inputs, labels, initial, ...options } = job;
    const paths = {
      initial: typeof initial === 'string' ? initial : join(folder, 'initial.safetensors'),
      inputs: join(folder, 'inputs.f32'),
      labels: join(folder, 'labels.u8'),
      output: join(folder, 'final.raw'),
    };
    if (typeof initial !== 'string') await writeFile(paths.initial, initial);
    await writeFile(paths.inputs, new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength));
    await writeFile(paths.labels, labels);
    const features = inputs.length / labels.length;
    const jobFile = join(folder, 'job.json');
    await writeFile(jobFile, JSON.stringify({ ...options, ...paths, features }));

    const { stdout } = await runPython(python, [scriptPath('train.py'), jobFile]);
    const { tensors: described, ...said } = parseResult(stdout);
    const bytes = await readFile(paths.output);
    return { ...said, tensors: sliceTensors(described, bytes, job.dtype), bytes };
  } catch (error) {
    if (error instanceof TorchError) throw error;
    throw new TorchError(`PyTorch by ${python}: ${lastLine(error)}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Has PyTorch write a state dict in four widths of floats; what lies in the folder then is said in save.py. */
export async function saveWithTorch(python: string, folder: string): Promise<void> {
  try {
    await runPython(python, [scriptPath('save.py'), folder]);
  } catch (error) {
    throw new TorchError(`PyTorch by ${python}: ${lastLine(error)}`, { cause: error });
  }
}

type Said = Omit<TorchResult, 'tensors' | 'bytes'> & { tensors: { name: string; shape: number[] }[] };

function parseResult(stdout: string): Said {
  try {
    return JSON.parse(stdout) as Said;
  } catch (cause) {
    throw new TorchError(`train.py: expected one line of JSON, got ${stdout.slice(0, 200)}`, { cause });
  }
}

function sliceTensors(described: Said['tensors'], bytes: Buffer, dtype: TorchJob['dtype']): Tensors {
  const tensors: Tensors = new Map();
  let offset = 0;
  for (const { name, shape } of described) {
    const values = new Float64Array(sizeOf(shape));
    for (let i = 0; i < values.length; i++) {
      values[i] = dtype === 'float32' ? bytes.readFloatLE(offset) : bytes.readDoubleLE(offset);
      offset += dtype === 'float32' ? 4 : 8;
    }
    tensors.set(name, values);
  }
  if (offset !== bytes.length) {
    throw new TorchError(`train.py: got ${bytes.length} bytes of tensors, expected ${offset}`);
  }
  return tensors;
}

/** A script in the source tree; tsc does not copy it to the compiled one. */
function scriptPath(name: string): string {
  const script = join('test', 'helpers', 'torch', name);
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return join(folder, script);
  }
  throw new TorchError(`no package.json above ${import.meta.dirname}, so no ${script}`);
}

function runPython(python: string, args: string[]): Promise<{ stdout: string }> {
  const maxBuffer = 64 * 2 ** 20;
  return run(python, args, { timeout: DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer, encoding: 'utf8' });
}

/** What a failed child said last, which for Python is the exception; else the error's own message. */
function lastLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('killed' in error && error.killed === true) return `killed after ${DEADLINE_MS} ms`;
  const stderr = 'stderr' in error ? String(error.stderr).trim() : '';
  return stderr.split('\n').at(-1) || error.message;
}
