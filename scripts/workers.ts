/** A coordinator with its door open: workers come over the network, and threads of this process are one more. */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { type Door, openDoor } from '../coordinator/door.ts';
import { Fleet, type FleetEvent } from '../coordinator/fleet.ts';
import type { Run } from '../coordinator/prepare.ts';
import { knownAnswerOf, type LoadedKernels } from '../shared/kernels/load.ts';
import { addressText, type ListenAddress } from '../shared/wire/address.ts';
import { collectFramesLate } from '../shared/wire/collector.ts';
import { systemClock } from '../shared/wire/link.ts';
import { localLink } from '../shared/wire/local-link.ts';
import { work } from '../worker/worker.ts';

export interface WorkersSettings {
  readonly listen: ListenAddress;
  /** Null to make one. */
  readonly token: string | null;
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

/** What a worker needs to come in. */
export interface Invitation {
  readonly url: string;
  readonly fingerprint: string | null;
  readonly token: string;
  /** True if the token was made for this run. */
  readonly isTokenNew: boolean;
}

export interface OpenWorkers {
  readonly fleet: Fleet;
  /** Sends everybody home and shuts the door; the first reason counts. */
  close(reason: string): Promise<void>;
}

/**
 * Opens the door for the workers of a run.
 * @throws LockstepError (CONNECTION) when the port cannot be had
 */
export async function openWorkers(
  run: Run,
  kernels: LoadedKernels,
  settings: WorkersSettings,
): Promise<OpenWorkers> {
  collectFramesLate();
  const { listen, threads, tls } = settings;
  const own = threads > 0 ? 1 : 0;
  const fleet = new Fleet({
    run,
    clock: systemClock,
    workers: settings.workers + own,
    minWorkers: Math.max(1, settings.minWorkers),
    workerTimeoutMs: settings.workerTimeoutMs,
    stepTimeoutMs: settings.stepTimeoutMs,
    ...(settings.onEvent && { onEvent: settings.onEvent }),
  });
  const token = settings.token ?? randomBytes(16).toString('hex');
  const door: Door = await openDoor({
    listen,
    token,
    tls,
    onWorker: (link) => fleet.arrive(link),
    log: settings.log ?? (() => {}),
  });
  const host = reachableHost(listen.host);
  settings.onOpen?.({
    url: `${tls === null ? 'ws' : 'wss'}://${addressText(host, door.port)}`,
    fingerprint: tls?.fingerprint ?? null,
    token,
    isTokenNew: settings.token === null,
  });
  const local = own === 0 ? null : workHere(fleet, kernels, threads);
  let closing: Promise<void> | null = null;
  const close = async (reason: string): Promise<void> => {
    fleet.close(reason);
    await local;
    await door.close(reason);
  };
  return {
    fleet,
    close: (reason) => {
      closing ??= close(reason);
      return closing;
    },
  };
}

/** The threads of this process, as a worker like any other. */
async function workHere(fleet: Fleet, kernels: LoadedKernels, threads: number): Promise<void> {
  await work({
    name: 'this process',
    threads,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache: null },
    connectTimeoutMs: 0,
    rejoinTimeoutMs: 0,
    connect: async (events) => {
      const { worker, coordinator, listen } = localLink('this process');
      listen(events, fleet.arrive(coordinator));
      return worker;
    },
  });
}

/** Where others reach this machine, if it listens everywhere: the first address that is not its own alone. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  return found?.address ?? (host === '::' ? '::1' : '127.0.0.1');
}
