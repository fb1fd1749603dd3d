/** Early stopping as a recipe says it: which number is watched, and how long it may fail to improve. */
import { type CallTable, formatCall, type OptionSpecs, parseCall } from '../calls.ts';

/** A number of each epoch that may decide which one was best. */
export type Monitor = 'testLoss' | 'trainLoss' | 'testAccuracy';

export interface EarlyStopping {
  readonly monitor: Monitor;
  /** Epochs in a row that may be no better than the best. */
  readonly patience: number;
  /** What an epoch has to be better by, binary32. */
  readonly minDelta: number;
}

const options = {
  patience: { kind: 'integer', min: 1, max: 1_000_000, default: 3 },
  minDelta: { kind: 'number', min: 0, default: 0 },
} satisfies OptionSpecs;

const monitors: CallTable & Readonly<Record<Monitor, OptionSpecs>> = {
  testLoss: options,
  trainLoss: options,
  testAccuracy: options,
};

export function canonicalEarlyStopping(text: string, where: string): string {
  return formatCall(parseCall(text, monitors, where), monitors);
}

/** @throws LockstepError (USAGE) */
export function parseEarlyStopping(text: string, where: string): EarlyStopping {
  const { name, options } = parseCall(text, monitors, where);
  return {
    monitor: name as Monitor,
    patience: Number(options.patience),
    minDelta: Math.fround(Number(options.minDelta)),
  };
}
