/** The dense products of a training, each by itself on one thread: how near the kernels come to their peak. */
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import { newMemory } from '../../shared/model/memory-plan.ts';
import { soloGroup } from '../../shared/reduction/group.ts';
import { assignSpan, newSpan } from '../../shared/reduction/span.ts';
import { planSetup, type Setup, Training } from '../../shared/training.ts';
import type { DenseShape } from '../flops.ts';
import { bestRate } from './limits.ts';

/** GFLOP/s of one thread. */
export interface ProductSpeeds {
  readonly forward: number;
  /** The input's gradient; null where nobody wants it. */
  readonly backward: number | null;
  /** The weight's gradient and its update. */
  readonly update: number;
}

export interface ProductSizes {
  readonly batchSize: number;
  readonly shardSize: number;
  /** Canonical text. */
  readonly optimizer: string;
}

/** Measures one layer's products on this thread, over a memory of their own. */
export function measureProducts(
  kernels: LoadedKernels,
  { inputs, outputs, isFirst }: DenseShape,
  { batchSize, shardSize, optimizer }: ProductSizes,
  seconds?: number,
): ProductSpeeds {
  const setup: Setup = {
    input: [inputs],
    classes: outputs,
    // Only a layer that has one before it computes the gradient of its input; this one has nothing to learn.
    model: `${isFirst ? '' : 'affine '}dense(${outputs})`,
    optimizer,
    batchNorm: 'sync',
    sizes: { samples: { train: 0, test: 0 }, epochSamples: batchSize, batchSize, shardSize, threads: 1 },
  };
  const { plan } = planSetup(setup);
  const memory = newMemory(plan);
  // Activations, their gradients and all scratch: any finite numbers will do, as long as none is subnormal.
  new Float32Array(memory.buffer, plan.activations[0].offset).fill(2 ** -10);
  new Float32Array(memory.buffer, plan.replicas[0].flat, (plan.gradient - plan.replicas[0].flat) / 4).fill(
    2 ** -10,
  );
  const { model } = new Training(setup, kernels, memory, 0, 1);
  const group = soloGroup();
  const span = newSpan(shardSize);
  [span.current, span.next] = plan.replicas;
  assignSpan(span, batchSize, 0, 1);
  const layer = model.layers[model.layers.length - 1];
  const flops = 2 * batchSize * inputs * outputs;
  const speed = (action: () => void) =>
    bestRate((rounds) => {
      for (let round = 0; round < rounds; round++) action();
      return (rounds * flops) / 1e9;
    }, seconds);
  return {
    forward: speed(() => layer.forward(span)),
    backward: isFirst ? null : speed(() => layer.backward(span)),
    update: speed(() => {
      group.allReduce(model.gradients, span);
      model.update(span);
    }),
  };
}
