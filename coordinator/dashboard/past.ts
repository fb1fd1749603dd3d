/** What a run did before this process took it up, as its log tells: for the curves of a run that goes on. */
import { type Clock, systemClock } from '../../shared/wire/link.ts';
import { logLinesInOrder } from '../log-lines.ts';
import type { Run } from '../prepare.ts';
import { type StepFacts, StepHistory } from './history.ts';

export interface Past {
  readonly steps: StepHistory;
  /** Seconds of training until the end of an epoch, by the steps until then. */
  readonly secondsAt: ReadonlyMap<number, number>;
}

/** Others have their turn after so much reading, and for as long again once the steps go on beside it. */
const sliceMs = 5;

export interface PastOptions {
  readonly run: Pick<Run, 'steps' | 'committed'>;
  /** Asked between two slices; once false, what was read so far is all. */
  readonly isWanted: () => boolean;
  /** True while nothing has to be left for the training. */
  readonly isHurried: () => boolean;
  readonly clock?: Clock;
}

/**
 * Reads the steps of a log that were done before, slice by slice; lines that are none of them are passed over.
 * @throws LockstepError (DATA) when it is no log that can be read
 */
export async function readPast(path: string, options: PastOptions): Promise<Past> {
  const { run, isWanted, isHurried, clock = systemClock } = options;
  const steps = new StepHistory(run.steps);
  const secondsAt = new Map<number, number>();
  let last = 0;
  let sinceMs = clock.nowMs();
  for (const { text } of logLinesInOrder(path)) {
    const facts = stepOf(text);
    // A log may have been written on by hand: no step counts twice, and none that will be done again.
    if (facts !== null && facts.step > last && facts.step <= run.committed) {
      steps.add(facts);
      last = facts.step;
      if (last % run.steps === 0) secondsAt.set(last, steps.seconds);
    }
    if (clock.nowMs() - sinceMs < sliceMs) continue;
    await new Promise<void>((resolve) => {
      if (isHurried()) setImmediate(resolve);
      else clock.after(sliceMs, resolve);
    });
    if (!isWanted()) break;
    sinceMs = clock.nowMs();
  }
  return { steps, secondsAt };
}

const stepLine = /^\{"epoch":\d+,"step":\d/;

/** Null for what is no line of a step. A log from before there were accuracies has NaN. */
function stepOf(text: string): StepFacts | null {
  if (!stepLine.test(text)) return null; // most of the others need no reading
  let line: Readonly<Record<string, unknown>>;
  try {
    line = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return null; // torn
  }
  const { step, samples, loss, seconds, accuracy } = line;
  if (!isNumber(step) || !isNumber(samples) || !isNumber(loss) || !isNumber(seconds)) return null;
  return { step, samples, loss, seconds, accuracy: isNumber(accuracy) ? accuracy : Number.NaN };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}
