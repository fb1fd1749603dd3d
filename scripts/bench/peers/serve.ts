/** What the peers that run in Node share: their job, its data and weights, and the answering of lines. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openIdx, readIdx } from '../../../shared/data/idx.ts';
import { drawOrder } from '../../../shared/data/sampler.ts';
import { dataError } from '../../../shared/errors.ts';
import { decodeSafetensors } from '../../../shared/model/safetensors.ts';
import type { PeerJob, PeerReady, PeerRun, PeerSettings } from './protocol.ts';

export type ServedJob = PeerJob & PeerSettings;

/** A peer's training. */
export interface Training {
  /** Takes a step on a batch; what it computes may still be under way afterwards. */
  step(batch: Batch): void;
  /** Mean loss of the last step's batch; waits for it. */
  loss(): number;
}

/** x (batch, features) and one label a row; overwritten by the next batch. */
export interface Batch {
  readonly x: Float32Array;
  readonly labels: Int32Array;
}

/** The F32 tensors of the job's weights, by layer and role: `values[2].get('running_mean')`. */
export function readWeights({ weights, layers }: PeerJob) {
  const values = layers.map(() => new Map<string, { shape: readonly number[]; values: Float32Array }>());
  for (const [name, tensor] of decodeSafetensors(readFileSync(weights), weights).tensors) {
    const [index, role] = name.split('.');
    if (!(tensor.values instanceof Float32Array)) continue;
    values[Number(index)].set(role, { shape: tensor.shape, values: tensor.values });
  }
  return (layer: number, role: string) => {
    const found = values[layer].get(role);
    if (found === undefined) throw dataError(`${weights}: got no tensor ${layer}.${role}`);
    return found;
  };
}

/** Batches of the job's samples: the first in file order, then epochs, each shuffled anew. */
class Batches {
  readonly #images: Float32Array;
  readonly #labels: Uint8Array;
  readonly #samples: Uint32Array;
  readonly #order: Uint32Array;
  readonly #features: number;
  readonly #batch: Batch;
  #epoch = 0;
  #next = 0;

  private constructor(job: PeerJob, images: Float32Array, labels: Uint8Array) {
    this.#images = images;
    this.#labels = labels;
    this.#features = images.length / job.samples;
    this.#samples = Uint32Array.from({ length: job.samples }, (_, sample) => sample);
    this.#order = this.#samples.slice();
    this.#batch = {
      x: new Float32Array(job.batchSize * this.#features),
      labels: new Int32Array(job.batchSize),
    };
  }

  static async load(job: PeerJob): Promise<Batches> {
    const { samples, scale } = job;
    const read = async (path: string, kind: 'images' | 'labels') => {
      const idx = openIdx(path, kind);
      const bytes = new Uint8Array(idx.payloadBytes);
      await readIdx(idx, bytes);
      return bytes.subarray(0, (samples * bytes.length) / idx.dims[0]);
    };
    const table = Float32Array.from({ length: 256 }, (_, x) => (x / 255 - scale.mean) * scale.factor);
    const images = Float32Array.from(await read(job.images, 'images'), (x) => table[x]);
    return new Batches(job, images, await read(job.labels, 'labels'));
  }

  next(): Batch {
    const { x, labels } = this.#batch;
    // The first batch belongs to no epoch.
    if (this.#next === this.#order.length || (this.#epoch === 0 && this.#next > 0)) {
      this.#epoch++;
      this.#next = 0;
      drawOrder(this.#order, this.#samples, 0, this.#epoch);
    }
    for (let row = 0; row < labels.length; row++) {
      const sample = this.#order[this.#next++];
      const at = sample * this.#features;
      x.set(this.#images.subarray(at, at + this.#features), row * this.#features);
      labels[row] = this.#labels[sample];
    }
    return this.#batch;
  }
}

/** Takes the first step, says that the peer is ready, and answers lines until stdin ends. */
export async function serve(
  job: ServedJob,
  training: Training,
  said: Pick<PeerReady, 'version' | 'settings'>,
): Promise<void> {
  const batches = await Batches.load(job);
  training.step(batches.next());
  say({ ready: true, ...said, firstLoss: training.loss(), advice: null });
  for await (const line of createInterface({ input: process.stdin })) {
    const { seconds } = JSON.parse(line) as { seconds: number };
    say(trainFor(seconds));
  }

  function trainFor(seconds: number): PeerRun {
    const start = performance.now();
    let steps = 0;
    do {
      training.step(batches.next());
      steps++;
    } while (performance.now() - start < 1000 * seconds);
    const loss = training.loss();
    const took = (performance.now() - start) / 1000;
    return { samples: steps * job.batchSize, steps, seconds: took, loss };
  }
}

/** The job of this process. From here on only answers go to stdout, whatever a library prints. */
export function takeJob(): ServedJob & { readonly folder: string } {
  const { console } = globalThis as unknown as { console: Record<string, unknown> };
  for (const name of ['log', 'info', 'debug']) console[name] = console.error;
  const [folder, job] = process.argv.slice(2);
  return { ...(JSON.parse(job) as ServedJob), folder };
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
