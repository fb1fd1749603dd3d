/** A coordinator with its door open: workers come over the network, and threads of this process are one more. */
import { randomBytes } from 'node:crypto';
import { type Door, openDoor } from '../coordinator/door.ts';
import { Fleet, type FleetEvent } from '../coordinator/fleet.ts';
import type { Run } from '../coordinator/prepare.ts';
import { usageError } from '../shared/errors.ts';
import { knownAnswerOf, type LoadedKernels } from '../shared/kernels/load.ts';
import { canonicalJson } from '../shared/recipe/recipe.ts';
import type { ListenAddress } from '../shared/wire/address.ts';
import { collectFramesLate } from '../shared/wire/collector.ts';
import { recipeBytes } from '../shared/wire/limits.ts';
import { systemClock } from '../shared/wire/link.ts';
import { localLink } from '../shared/wire/local-link.ts';
import { work } from '../worker/worker.ts';
import { coordinatorUrl, type Invitation, thisProcess } from './invitation.ts';

export interface WorkersSettings {
  readonly listen: ListenAddress;
  /** What this machine is called besides what it knows itself. */
  readonly names?: readonly string[];
  /** Null to make one. */
  readonly token: string | null;
  /** To be used instead of a new one. */
  readonly keptToken?: string | null;
  /** The certificate, or null for no TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly fingerprint: string | null } | null;
  /** Threads of this process that compute, too. */
  readonly threads: number;
  /** The first step waits for so many workers, every other for `minWorkers`; this process is none of them. */
  readonly workers: number;
  readonly minWorkers: number;
  readonly workerTimeoutMs: number;
  readonly stepTimeoutMs: number;
  readonly onEvent?: ((event: FleetEvent) => void) | undefined;
  /** Told how to join, once the door is open. */
  readonly onOpen?: ((invitation: Invitation) => void) | undefined;
  /** A line about somebody who was not let in. */
  readonly log?: ((line: string) => void) | undefined;
}

export interface OpenWorkers {
  readonly fleet: Fleet;
  /** Sends everybody home, from a run that `failed` or not, and shuts the door; the first reason counts. */
  close(reason: string, failed?: boolean): Promise<void>;
}

/**
 * Opens the door for the workers of a run; threads of this process are ready then.
 * @throws LockstepError (CONNECTION) when the port cannot be had, (USAGE) for a recipe that no message can hold, (TEAM)
 */
export async function openWorkers(
  run: Run,
  kernels: LoadedKernels,
  settings: WorkersSettings,
): Promise<OpenWorkers> {
  checkRecipe(run);
  collectFramesLate();
  const { listen, threads, tls, names = [], log = () => {} } = settings;
  const own = threads > 0 ? 1 : 0;
  let ownIsReady = (): void => {};
  const ownReady = new Promise<void>((resolve) => {
    ownIsReady = resolve;
  });
  const fleet = new Fleet({
    run,
    clock: systemClock,
    workers: settings.workers + own,
    minWorkers: settings.minWorkers + own,
    workerTimeoutMs: settings.workerTimeoutMs,
    stepTimeoutMs: settings.stepTimeoutMs,
    onEvent: (event) => {
      settings.onEvent?.(event);
      if (event.kind === 'joined' && event.address === thisProcess) ownIsReady();
    },
  });
  const token = settings.token ?? settings.keptToken ?? randomBytes(16).toString('hex');
  let door: Door | null = null;
  let local: Promise<unknown> | null = null;
  const shut = async (reason: string, failed = false): Promise<void> => {
    fleet.close(reason, failed);
    await local;
    await door?.close(reason);
  };
  try {
    door = await openDoor({ listen, names, token, tls, log, onWorker: (link) => fleet.arrive(link) });
    if (own > 0) {
      const working = workHere(fleet, kernels, threads);
      local = working.catch(() => {}); // it has left with its reason, like any other worker
      await Promise.race([ownReady, working]);
    }
  } catch (error) {
    await shut('the run failed', true);
    throw error;
  }
  settings.onOpen?.({
    ...coordinatorUrl({ host: listen.host, port: door.port }, tls !== null),
    fingerprint: tls?.fingerprint ?? null,
    token,
    isTokenNew: settings.token === null,
  });
  let closing: Promise<void> | null = null;
  return {
    fleet,
    close: (reason, failed) => {
      closing ??= shut(reason, failed);
      return closing;
    },
  };
}

/** @throws LockstepError (USAGE) */
function checkRecipe({ recipe }: Run): void {
  const bytes = Buffer.byteLength(canonicalJson(recipe));
  if (bytes <= recipeBytes) return;
  throw usageError(
    `recipe: got ${bytes} bytes of JSON, expected at most ${recipeBytes}, which is what workers can be told; ` +
      'take fewer layers, or train on this machine alone',
  );
}

/** The threads of this process, as a worker like any other. */
function workHere(fleet: Fleet, kernels: LoadedKernels, threads: number): Promise<string> {
  return work({
    name: thisProcess,
    threads,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache: null },
    connectTimeoutMs: 0,
    rejoinTimeoutMs: 0,
    connect: async (events) => {
      const { worker, coordinator, listen } = localLink(thisProcess);
      listen(events, fleet.arrive(coordinator));
      return worker;
    },
  });
}
