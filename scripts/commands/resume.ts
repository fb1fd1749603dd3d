/** `--resume DIR`: the run that goes on, what there is to say of it, and how to go on with one that was stopped. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRegularFile, shownPath } from '../../shared/data/regular-file.ts';
import { usageError } from '../../shared/errors.ts';
import { openResumed, type ResumedRun } from '../resumed-run.ts';
import { runFiles } from '../run-keeper.ts';
import type { FlagValues } from './flag-values.ts';
import { coordinatorRunFlags, runFlags } from './flags.ts';
import { listenFlags } from './network-flags.ts';
import { grouped } from './screen.ts';
import { checkToken } from './token.ts';

/**
 * The run that goes on, or null for one that begins: what `--resume` names, or with `--auto-resume` what `--run` does if
 * there is one.
 * @throws LockstepError (USAGE, DATA, OUTPUT)
 */
export async function resumedRun(flags: FlagValues): Promise<ResumedRun | null> {
  const folder = flags.text('resume');
  if (flags.isOn('auto-resume')) return runInItsFolder(flags);
  return folder === undefined ? null : openResumed(folder, flags.label('resume'));
}

async function runInItsFolder(flags: FlagValues): Promise<ResumedRun | null> {
  const label = flags.label('auto-resume');
  for (const other of ['resume', 'no-run']) {
    if (other === 'resume' ? !flags.has(other) : !flags.isOn(other)) continue;
    throw usageError(`${label}: got it together with ${flags.label(other)}, expected --run DIR alone`);
  }
  const folder = flags.text('run');
  if (folder === undefined) {
    throw usageError(
      `${label}: got it without --run DIR, expected the folder in which the run is, or is to begin`,
    );
  }
  // One that is used by something else is refused where folders are.
  return existsSync(join(folder, runFiles.recipe)) ? openResumed(folder, flags.label('run')) : null;
}

/** Why it does not go on from a newer checkpoint, in lines. */
export function refusedLines({ refused }: ResumedRun): string[] {
  return refused.map(({ reason }) => `refused ${shortened(reason)}`);
}

/** Where it goes on, in lines. */
export function resumeLines({ folder, warnings, state, lock }: ResumedRun, committed: number): string[] {
  if (lock === null) return [`The run in ${shownPath(folder)} is finished; this is its result.`];
  const where =
    state === null
      ? `no valid checkpoint in ${shownPath(join(folder, runFiles.checkpoints))}: from step 0`
      : `resumed at step ${grouped(committed)} (epoch ${state.epoch + 1})`;
  return [...warnings, where];
}

/** Twelve digits of a SHA-256 tell two of them apart. */
function shortened(text: string): string {
  return text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1…');
}

/** The token that workers of the run know already, or null. @throws LockstepError (USAGE, DATA) */
export function keptToken({ folder }: ResumedRun): string | null {
  const path = join(folder, runFiles.token);
  if (!existsSync(path)) return null;
  const token = Buffer.from(readRegularFile(path, largestToken)).toString('utf8').trim();
  checkToken(token, shownPath(path));
  return token;
}

/** A token has at most 256 characters. */
const largestToken = 2048;

/** Flags that are not those of a run that goes on, or nobody else's to see; and what would take the place of a trace that is there. */
const leftOut = ['run', 'no-run', 'resume', 'auto-resume', 'token', 'trace'];

/**
 * The words of the command that goes on with a run in a folder as it was run.
 * @param port where workers know it to listen
 */
export function goOnCommand(
  command: 'train' | 'coordinator',
  folder: string,
  flags: FlagValues,
  port: string | null,
): string[] {
  const own = command === 'train' ? runFlags : coordinatorRunFlags;
  const words = flags.argumentsOf([...own, ...listenFlags].filter(({ name }) => !leftOut.includes(name)));
  const listen = words.indexOf('--listen') + 1;
  if (listen > 0 && port !== null) words[listen] = words[listen].replace(/:0$/, `:${port}`);
  return [command, '--resume', folder, ...words];
}
