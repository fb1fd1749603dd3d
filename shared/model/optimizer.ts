/** Optimizers: what they are called, and the update of one thread's slice. */
import { type Call, type CallTable, formatCall, parseCall } from '../calls.ts';
import { usageError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';

const optimizers: CallTable = {
  sgd: {
    lr: { kind: 'number', min: 0, default: 0.1 },
    momentum: { kind: 'number', min: 0, below: 1, default: 0 },
    nesterov: { kind: 'boolean', default: false },
    weightDecay: { kind: 'number', min: 0, default: 0 },
  },
};

/** Learning-rate schedules; the rate of a step is a pure function of its number. */
const schedules: CallTable = { constant: {} };

export function canonicalOptimizer(text: string, where: string): string {
  return formatCall(parseOptimizer(text, where), optimizers);
}

export function canonicalSchedule(text: string, where: string): string {
  return formatCall(parseCall(text, schedules, where), schedules);
}

/** The optimizer and its options. @throws LockstepError (USAGE) */
export function parseOptimizer(text: string, where: string): Call {
  const call = parseCall(text, optimizers, where);
  if (call.options.nesterov && call.options.momentum === 0) {
    throw usageError(
      `${where}: nesterov needs a momentum above 0, for example sgd(momentum=0.9,nesterov=true)`,
    );
  }
  return call;
}

/** An optimizer bound to kernels; state is kept per float of the flat vector. */
export interface Optimizer {
  /**
   * Writes the new values of `count` parameters (and their state) beside the old, from their total gradient.
   * All are byte offsets. Returns 1 if a new value is not finite.
   */
  update(
    current: number,
    gradient: number,
    state: number,
    next: number,
    nextState: number,
    count: number,
  ): number;
}

export function bindOptimizer(text: string, kernels: Kernels): Optimizer {
  const { options } = parseOptimizer(text, 'optimizer');
  const rate = Number(options.lr);
  const momentum = Number(options.momentum);
  const decay = Number(options.weightDecay);
  const nesterov = options.nesterov ? 1 : 0;
  return {
    update: (current, gradient, state, next, nextState, count) =>
      kernels.sgd(current, gradient, state, next, nextState, count, rate, momentum, decay, nesterov),
  };
}
