/** From flags to a coordinator with its door open: where, for whom, and for how long. */
import { checkNumber, parseNumber } from '../../shared/calls.ts';
import { usageError } from '../../shared/errors.ts';
import { parseListen } from '../../shared/wire/address.ts';
import { mostThreads } from '../../worker/team.ts';
import type { WorkersSettings } from '../workers.ts';
import { durationMs } from './duration.ts';
import type { FlagValues } from './flag-values.ts';
import { readHostNames } from './host-names.ts';
import { listenFlags } from './network-flags.ts';
import { noSecurity, readSecurity, type Security } from './security.ts';
import { readToken } from './token.ts';
import { isForDashboard } from './watching.ts';

const defaultListen = '127.0.0.1:7077';
export const defaultWorkerTimeoutMs = 600_000;
export const defaultStepTimeoutMs = 4_000;

export interface Listening extends Omit<WorkersSettings, 'onEvent' | 'onOpen' | 'log' | 'tls'>, Security {}

/**
 * Reads the flags with which workers may join; null where none may.
 * @param command whether workers are what the command is for
 * @param keptToken the one that workers of the run know already, if it goes on
 * @param isDry that nobody will come: no certificate is made for them, and no token is missed
 * @throws LockstepError (USAGE, DATA, OUTPUT)
 */
export async function readListening(
  flags: FlagValues,
  command: 'train' | 'coordinator',
  defaultThreads: number,
  keptToken: string | null,
  isDry = false,
): Promise<Listening | null> {
  if (command === 'train' && !flags.has('listen')) {
    const lost = listenFlags.find(
      ({ name }) => flags.isOnCommandLine(name) && !isForDashboard(flags, name) && !isForRanks(flags, name),
    );
    if (lost === undefined) return null;
    throw usageError(`--${lost.name}: got it without --listen, expected --listen HOST:PORT too`);
  }
  const listen = parseListen(flags.text('listen') ?? defaultListen, flags.label('listen'));
  const threads = readCount(flags, 'threads', 0, mostThreads) ?? defaultThreads;
  const names = readHostNames(flags);
  const token = readToken(flags);
  if (token === null && keptToken === null && flags.isOn('quiet') && !isDry) {
    throw usageError(
      `${flags.label('quiet')}: the token that workers need would not be shown, expected one of yours in LOCKSTEP_TOKEN`,
    );
  }
  return {
    listen,
    names,
    token,
    keptToken,
    threads,
    ...readCounts(flags, threads),
    workerTimeoutMs: durationMs(flags, 'worker-timeout', defaultWorkerTimeoutMs, 1),
    stepTimeoutMs: durationMs(flags, 'step-timeout', defaultStepTimeoutMs, 1),
    ...(isDry ? noSecurity : await readSecurity(flags, listen, names)),
  };
}

/** Ranks of MPI wait for each other, too. */
function isForRanks(flags: FlagValues, name: string): boolean {
  return flags.text('transport') === 'mpi' && ['step-timeout', 'worker-timeout'].includes(name);
}

/** How many workers the first step waits for, and every other. Beside threads of its own none is needed. */
function readCounts(flags: FlagValues, threads: number): { workers: number; minWorkers: number } {
  const least = threads > 0 ? 0 : 1;
  const workers = readCount(flags, 'workers', 1);
  const minWorkers = readCount(flags, 'min-workers', 1);
  if (workers !== undefined && minWorkers !== undefined && minWorkers > workers) {
    throw usageError(
      `${flags.label('min-workers')}: got ${minWorkers}, expected at most the ${workers} of ${flags.label('workers')}`,
    );
  }
  return {
    workers: workers ?? Math.max(least, minWorkers ?? 0),
    minWorkers: minWorkers ?? least,
  };
}

function readCount(flags: FlagValues, name: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  const text = flags.text(name);
  if (text === undefined) return undefined;
  return checkNumber(parseNumber(text), { kind: 'integer', min, max }, flags.label(name), text);
}
