/** Stochastic gradient descent in binary64, by the definitions of `torch.optim.SGD` without dampening. */

export type SgdOptions = { learningRate: number; momentum: number; nesterov: boolean; weightDecay: number };

/**
 * One update of one tensor; overwrites `weight` and `velocity` (all 0 before the first step).
 *
 *     g = gradient + weightDecay · weight
 *     velocity = momentum · velocity + g
 *     weight −= learningRate · (nesterov ? g + momentum · velocity : velocity)
 *
 * https://pytorch.org/docs/1.13/generated/torch.optim.SGD.html
 */
export function sgdUpdate(
  weight: Float64Array,
  velocity: Float64Array,
  gradient: Float64Array,
  { learningRate, momentum, nesterov, weightDecay }: SgdOptions,
): void {
  for (let i = 0; i < weight.length; i++) {
    const decayed = gradient[i] + weightDecay * weight[i];
    velocity[i] = momentum * velocity[i] + decayed;
    const direction = nesterov ? decayed + momentum * velocity[i] : velocity[i];
    weight[i] -= learningRate * direction;
  }
}
