/**
 * A coordinator as a process of its own, for a test that puts it somewhere else. It trains until it gets SIGTERM, and
 * tells what happens, a JSON line each.
 */

import { ownIdentity } from '../../coordinator/certificate.ts';
import type { FleetEvent } from '../../coordinator/fleet.ts';
import { machineMs } from './event-log.ts';
import { openEndedRecipe, openEndedSource } from './open-ended.ts';
import { RemoteRun } from './remote-run.ts';
import { bitsOf } from './train.ts';

export interface CoordinatorSettings {
  readonly host: string;
  /** A folder for its certificate; null for no TLS. */
  readonly identity: string | null;
  readonly workers: number;
  readonly stepTimeoutMs: number;
}

export type CoordinatorEvent =
  | FleetEvent
  | { readonly kind: 'open'; readonly way: RemoteRun['way'] }
  | { readonly kind: 'steps'; readonly committed: number; readonly shards: Readonly<Record<string, number>> }
  | {
      readonly kind: 'done';
      readonly bits: ReturnType<typeof bitsOf>;
      readonly shards: number;
      readonly slowestMs: number;
    };

const { host, identity, ...limits } = JSON.parse(process.argv[2]) as CoordinatorSettings;
const tell = (event: CoordinatorEvent) =>
  process.stdout.write(`${JSON.stringify({ atMs: machineMs(), ...event })}\n`);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

const tls = identity === null ? null : await ownIdentity(identity);
const options = { fields: openEndedRecipe(), source: openEndedSource(), ...limits };
const run = await RemoteRun.open({ ...options, host, tls, onEvent: tell });
tell({ kind: 'open', way: run.way });
const shardsByName = () => Object.fromEntries(run.fleet.account().map(({ name, shards }) => [name, shards]));
let slowestMs = 0;
const trained = await run.train({
  signal: stop.signal,
  onSteps: (reports) => {
    slowestMs = Math.max(slowestMs, ...reports.map(({ seconds }) => 1000 * seconds));
    tell({ kind: 'steps', committed: run.fleet.committed, shards: shardsByName() });
  },
});
const shards = trained.work.reduce((sum, work) => sum + work.shards, 0);
tell({ kind: 'done', bits: bitsOf(trained), shards, slowestMs });
