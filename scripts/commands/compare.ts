/** `lockstep compare RUN RUN`: the first step, tensor and element in which two runs differ. */
import { availableParallelism } from 'node:os';
import { parseNumber } from '../../shared/calls.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { checkThreads } from '../../worker/team.ts';
import { compareFolders } from '../compare.ts';
import { readInitial } from '../model.ts';
import { modelPath } from '../model-path.ts';
import { comparisonLines } from './compare-view.ts';
import type { FlagValues } from './flag-values.ts';
import { Screen } from './screen.ts';

/** Runs the command and returns its exit code: 3 if the runs differ. @throws LockstepError */
export async function compareCommand(first: string, second: string, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const [threads, init] = [flags.text('threads'), flags.text('init')];
  const comparison = await compareFolders([first, second], {
    rerun: !flags.isOn('no-rerun'),
    data: flags.text('data'),
    kernels: flags.choice('kernels', kernelChoices),
    threads:
      threads === undefined
        ? availableParallelism()
        : checkThreads(parseNumber(threads), flags.label('threads'), threads),
    initial: (model) =>
      init === undefined ? null : readInitial(modelPath(init, flags.label('init')), model),
    label: (key) => flags.label(key),
  });
  for (const line of comparisonLines(comparison, [first, second], screen.columns)) screen.line(line);
  if (json) process.stdout.write(`${JSON.stringify({ runs: [first, second], ...comparison })}\n`);
  return comparison.same ? 0 : 3;
}
