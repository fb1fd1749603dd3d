/** Optimizers: what they are called, and the update of one thread's slice. */
import { type Call, type CallTable, formatCall, parseCall } from '../calls.ts';
import { usageError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { SharedMemory } from '../kernels/webassembly.ts';
import type { Span } from '../reduction/span.ts';

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

/** Bytes of an optimizer's rule. */
export const ruleBytes = 16;

/** An optimizer bound to kernels; state is kept per float of the flat vector. */
export interface Optimizer {
  /** Byte offset of the numbers that a kernel needs for the update (see `sgd` of the kernels). */
  readonly rule: number;
  /** Whether it keeps state; without, that of replicas is neither read nor written. */
  readonly hasState: boolean;
  /**
   * Writes the new values of `count` parameters, which begin `at` bytes into the flat vector, and their state beside
   * the old, from their total gradient at a byte offset. Returns 1 if a new value is not finite.
   */
  update({ current, next }: Span, at: number, gradient: number, count: number): number;
}

/**
 * @param rule byte offset of `ruleBytes`; every thread writes the same numbers there
 * @param checksum byte offset of the thread's part of the checksum of an update
 */
export function bindOptimizer(
  text: string,
  kernels: Kernels,
  memory: SharedMemory,
  rule: number,
  checksum: number,
): Optimizer {
  const { lr, momentum, weightDecay, nesterov } = parseOptimizer(text, 'optimizer').options;
  const numbers = [Number(lr), Number(momentum), Number(weightDecay), nesterov ? 1 : 0];
  new Float32Array(memory.buffer, rule, numbers.length).set(numbers);
  return {
    rule,
    // As the kernels have it, in binary32.
    hasState: Math.fround(Number(momentum)) !== 0,
    update: ({ current, next }, at, gradient, count) =>
      kernels.sgd(
        current.flat + at,
        gradient,
        current.state + at,
        next.flat + at,
        next.state + at,
        count,
        rule,
        at / 4,
        checksum,
      ),
  };
}
