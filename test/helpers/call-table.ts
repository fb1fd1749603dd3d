import type { CallTable } from '../../shared/calls.ts';

/** Calls with options of every kind, for the tests of the language itself. */
export const callTable: CallTable = {
  layer: { units: { kind: 'integer', min: 1, max: 65_536 } },
  plain: {},
  norm: {
    momentum: { kind: 'number', min: 0, max: 1, default: 0.9 },
    epsilon: { kind: 'number', above: 0, default: 1e-5 },
    scale: { kind: 'choice', choices: [1, 'uniform'], default: 1 },
  },
  descent: {
    lr: { kind: 'number', min: 0, default: 0.1 },
    rest: { kind: 'number', below: 1, default: 0 },
    nesterov: { kind: 'boolean', default: false },
    seed: { kind: 'integer', min: -5, max: Number.MAX_SAFE_INTEGER, default: 3 },
  },
};
