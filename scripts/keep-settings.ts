/** How a run is kept in its folder, as flags and options say it. */
import type { KeepEvery } from '../coordinator/reports.ts';
import { checkNumber, parseNumber } from '../shared/calls.ts';
import { quoted, usageError } from '../shared/errors.ts';
import { parseDuration } from './duration.ts';
import { checkChoice } from './options.ts';

/** The number by which the best model is chosen. */
export type BestBy = 'testLoss' | 'testAccuracy';

export interface KeepSettings {
  /** Checkpoints beside those of every epoch's end. */
  readonly every: KeepEvery | null;
  /** Checkpoints that are kept. */
  readonly keep: number;
  readonly monitor: BestBy;
}

/** What may be said of it, each as it was written. */
export interface KeepTexts {
  readonly checkpointEvery?: string | undefined;
  readonly keep?: string | undefined;
  readonly monitor?: string | undefined;
}

export const keepDefaults: KeepSettings = { every: null, keep: 3, monitor: 'testLoss' };
const monitors = ['testLoss', 'testAccuracy'] as const satisfies readonly BestBy[];
/** What a timer of Node bears is 24 days. */
const mostMs = 20 * 24 * 3_600_000;

/**
 * @param label names one of the texts in messages
 * @throws LockstepError (USAGE)
 */
export function parseKeepSettings(
  texts: KeepTexts,
  label: (name: keyof KeepTexts) => string,
  otherwise: KeepSettings = keepDefaults,
): KeepSettings {
  const { checkpointEvery, keep, monitor } = texts;
  if (monitor !== undefined) checkChoice(monitor, monitors, label('monitor'));
  return {
    every:
      checkpointEvery === undefined ? otherwise.every : parseEvery(checkpointEvery, label('checkpointEvery')),
    keep:
      keep === undefined
        ? otherwise.keep
        : checkNumber(parseNumber(keep), { kind: 'integer', min: 2, max: 1_000_000 }, label('keep'), keep),
    monitor: monitors.find((name) => name === monitor) ?? otherwise.monitor,
  };
}

/**
 * The settings of a run that goes on: as before, where nothing else is said.
 * @throws LockstepError (USAGE), also for another number to choose the best model by, which was not looked at so far
 */
export function resumedKeepSettings(
  texts: KeepTexts,
  label: (name: keyof KeepTexts) => string,
  before: KeepSettings,
): KeepSettings {
  const settings = parseKeepSettings(texts, label, before);
  if (settings.monitor === before.monitor) return settings;
  throw usageError(
    `${label('monitor')}: got ${settings.monitor}, expected ${before.monitor}, by which the best model was chosen so far; leave it out`,
  );
}

/** `20` is steps; `5s` and the like is time. */
function parseEvery(text: string, where: string): KeepEvery {
  const steps = parseNumber(text);
  if (Number.isSafeInteger(steps) && steps >= 1) return { kind: 'steps', steps };
  const ms = /[a-z]$/.test(text) ? parseDuration(text) : Number.NaN;
  if (ms >= 1 && ms <= mostMs) return { kind: 'time', ms };
  throw usageError(
    `${where}: got ${quoted(text)}, expected a number of steps, or a time like 5s, 10m or 1h up to 480h`,
  );
}

/** The texts that give these settings. */
export function keepTexts({ every, keep, monitor }: KeepSettings): KeepTexts {
  const checkpointEvery = every?.kind === 'time' ? `${every.ms}ms` : every?.steps.toString();
  return { ...(checkpointEvery !== undefined && { checkpointEvery }), keep: String(keep), monitor };
}
