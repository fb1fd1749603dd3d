/** From flags to where everything of a run goes; what could not be written in the end is said before it begins. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { checkWritable } from '../../coordinator/durable-file.ts';
import { checkRunFile } from '../../coordinator/run-file.ts';
import { checkNumberedRunFolder, checkRunFolder } from '../../coordinator/run-folder.ts';
import { checkTracePlace } from '../../coordinator/trace-place.ts';
import { type LockstepError, quoted, usageError } from '../../shared/errors.ts';
import { type KeepSettings, parseKeepSettings, resumedKeepSettings } from '../keep-settings.ts';
import type { ResumedRun } from '../resumed-run.ts';
import { isRunFile } from '../run-keeper.ts';
import { type FolderPlan, RunOutputs } from '../run-outputs.ts';
import { checkEventFolder } from '../tensorboard/event-file.ts';
import type { FlagValues } from './flag-values.ts';

/** Flags that say how a run's folder is kept, by their names as options. */
const keepFlags = { checkpointEvery: 'checkpoint-every', keep: 'keep', monitor: 'monitor' } as const;

/**
 * @param resumed the run that goes on, or null for one that begins
 * @param alarm called for everything that cannot be written once the run has begun
 * @throws LockstepError (USAGE, OUTPUT)
 */
export function planOutputs(
  flags: FlagValues,
  recipeName: string,
  resumed: ResumedRun | null,
  alarm: (error: LockstepError) => void,
): RunOutputs {
  const [out, log, trace] = ['out', 'log', 'trace'].map((name) => flags.text(name) ?? null);
  checkDistinct(flags, ['out', 'log', 'trace']);
  const folder = resumed === null ? planFolder(flags, recipeName) : resumedFolder(flags, resumed);
  for (const name of ['log', 'trace']) checkOutside(flags, name, folder);
  const keep = readKeepSettings(flags, resumed);
  if (out !== null) checkWritable(out);
  if (log !== null) checkRunFile(log, 'log');
  if (trace !== null) checkTracePlace(trace);
  const tensorboard = flags.text('tensorboard') ?? null;
  if (tensorboard !== null) checkEventFolder(tensorboard);
  return new RunOutputs({ folder, keep, log, out, trace, tensorboard, alarm });
}

/** @throws LockstepError (USAGE) when two flags name one file */
function checkDistinct(flags: FlagValues, names: readonly string[]): void {
  const given = names.flatMap((name) => {
    const path = flags.text(name);
    return path === undefined ? [] : [{ name, path, place: resolve(path) }];
  });
  for (const [i, { name, path, place }] of given.entries()) {
    const other = given.slice(0, i).find((one) => one.place === place);
    if (other === undefined) continue;
    throw usageError(
      `${flags.label(name)}: got ${quoted(path)}, which is ${flags.label(other.name)} too; expected another file`,
    );
  }
}

/** @throws LockstepError (USAGE) when a flag names what the run's folder has, or is to have, as its own */
function checkOutside(flags: FlagValues, name: string, plan: FolderPlan | null): void {
  const path = flags.text(name);
  const folder = plan?.kind === 'named' ? plan.path : plan?.kind === 'resumed' ? plan.resumed.folder : null;
  if (path === undefined || folder === null) return;
  const [own] = relative(realPlace(folder), realPlace(path)).split(sep);
  if (!isRunFile(own)) return;
  throw usageError(
    `${flags.label(name)}: got ${quoted(path)}, which is the run folder's own; expected another file`,
  );
}

/** Where a path leads to, as far as it is there. */
function realPlace(path: string): string {
  const place = resolve(path);
  if (existsSync(place)) return realpathSync(place);
  return dirname(place) === place ? place : join(realPlace(dirname(place)), basename(place));
}

function planFolder(flags: FlagValues, recipeName: string): FolderPlan | null {
  const run = flags.text('run');
  if (run !== undefined && flags.isOn('no-run')) {
    if (!overrules(flags, 'run', 'no-run') && !overrules(flags, 'no-run', 'run')) {
      throw usageError(
        `${flags.label('run')}: got ${quoted(run)} together with ${flags.label('no-run')}, expected one of the two`,
      );
    }
  }
  if (flags.isOn('no-run') && !overrules(flags, 'run', 'no-run')) {
    const lost = Object.values(keepFlags).find((name) => flags.isOnCommandLine(name));
    if (lost === undefined) return null;
    throw usageError(
      `--${lost}: got it together with ${flags.label('no-run')}, expected a run folder too: --run DIR`,
    );
  }
  const label = flags.label('run');
  if (run === undefined) {
    checkNumberedRunFolder(label);
    return { kind: 'numbered', recipeName, label };
  }
  checkRunFolder(run, label);
  return { kind: 'named', path: run, label };
}

/** The folder is the run's own; a variable that names another is another run's. */
function resumedFolder(flags: FlagValues, resumed: ResumedRun): FolderPlan {
  for (const name of ['run', 'no-run']) {
    if (!flags.isOnCommandLine(name) || flags.isOn('auto-resume')) continue;
    throw usageError(
      `--${name}: got it together with ${flags.label('resume')}, which says where the run is; leave it out`,
    );
  }
  return { kind: 'resumed', resumed };
}

/** A flag goes over another one's environment variable. */
function overrules(flags: FlagValues, flag: string, other: string): boolean {
  return flags.isOnCommandLine(flag) && !flags.isOnCommandLine(other);
}

function readKeepSettings(flags: FlagValues, resumed: ResumedRun | null): KeepSettings {
  const texts = Object.fromEntries(Object.entries(keepFlags).map(([key, name]) => [key, flags.text(name)]));
  const label = (key: keyof typeof keepFlags) => flags.label(keepFlags[key]);
  return resumed === null
    ? parseKeepSettings(texts, label)
    : resumedKeepSettings(texts, label, resumed.settings);
}
