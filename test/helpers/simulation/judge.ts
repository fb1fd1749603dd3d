/** What must be true of a simulated run, whatever happened in it. */
import type { FleetEvent } from '../../../coordinator/fleet.ts';
import { LockstepError } from '../../../shared/errors.ts';
import { chunkBytes } from '../../../shared/wire/limits.ts';
import type { ToCoordinator, ToWorker } from '../../../shared/wire/messages.ts';
import type { Connection, End } from './network.ts';
import type { Item } from './pipe.ts';
import { epochBits } from './recipes.ts';
import type { Simulation } from './simulation.ts';

type AnyEnd = End<unknown, unknown>;

/** What a calm run takes at most, and what each fault may add: two silences, a deadline, and what comes late. */
const calmMs = 20_000;
const faultMs = 15_000;

export class Judge {
  readonly failures: string[] = [];
  conflicts = 0;
  foreignFrames = 0;
  readonly #simulation: Simulation;
  #duplicates = 0;
  /** Connections over which a worker said that it has the last replica that it was sent. */
  readonly #ready = new Set<Connection>();
  /** The connection of each worker that said hello last, and those that were replaced by one. */
  readonly #newest = new Map<string, Connection>();
  readonly #replaced = new Map<Connection, Connection>();
  readonly #thrownOut: string[] = [];
  #casualties = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  get hasFailed(): boolean {
    return this.failures.length > 0;
  }

  fail(what: string): void {
    this.failures.push(what);
    this.#simulation.world.note(`FAILURE ${what}`);
  }

  /** Longer than this no run takes. */
  limitMs(): number {
    const { schedule, case: one } = this.#simulation;
    const { faults, stepTimeoutMs, hasAnchor, killEveryMs, weather, workers, waitFor, minWorkers } = schedule;
    const trips = (weather.latencyMs + weather.jitterMs + 800 * weather.lossChance) * 10 * one.steps;
    const slowest = Math.max(...workers.map(({ shardMs }) => shardMs));
    const honestMs = calmMs + 2 * trips + 6 * slowest * one.shards;
    const lasting = faults.map((fault) => {
      const isFrozen = fault.kind === 'freezeCoordinator';
      const standsStill = isFrozen || !hasAnchor || minWorkers > 1 || waitFor > 1 ? 3 * fault.durationMs : 0;
      const slowMs = fault.kind === 'slow' && !hasAnchor ? 50 * slowest * one.shards : 0;
      return faultMs + 3 * stepTimeoutMs + standsStill + slowMs;
    });
    const storm = killEveryMs === null ? 0 : 20 * honestMs;
    return honestMs + storm + lasting.reduce((sum, ms) => sum + ms, 0);
  }

  event(event: FleetEvent): void {
    if (event.kind === 'conflict') this.conflicts += 1;
    if (event.kind === 'thrown out') this.#thrownOut.push(event.reason);
    if (event.kind === 'died' || event.kind === 'late') this.#casualties += 1;
  }

  sending(end: AnyEnd, item: Item<unknown>): void {
    const { fleet, world } = this.#simulation;
    if (item.kind === 'frame') {
      const { type, step, exchange, lo, hi, panel } = item.frame;
      world.note(`${end.side} ${end.address} ${type} ${step} ${exchange} ${lo} ${hi} ${panel}`);
      if (type === 'replica') this.#ready.delete(end.connection);
    }
    if (item.kind !== 'message') return;
    const message = item.message as ToWorker | ToCoordinator;
    world.note(`${end.side} ${end.address} ${message.type}`);
    if (message.type === 'welcome' && this.#replaced.get(end.connection)?.coordinator.state === 'open') {
      this.fail('a replaced connection goes on');
    }
    if (message.type !== 'assign') return;
    if (message.step !== fleet.committed) this.fail(`an assignment of step ${message.step}`);
    if (!this.#ready.has(end.connection)) this.fail('an assignment to a worker without a replica');
  }

  taking(end: AnyEnd, item: Item<unknown>): void {
    if (item.kind !== 'message' || end.side !== 'coordinator') return;
    const message = item.message as ToCoordinator;
    if (message.type === 'ready') this.#ready.add(end.connection);
    if (message.type === 'hello') {
      const before = this.#newest.get(message.workerId);
      if (before !== undefined) this.#replaced.set(end.connection, before);
      this.#newest.set(message.workerId, end.connection);
    }
  }

  duplicate(end: AnyEnd): void {
    if (end.side === 'coordinator') this.#duplicates += 1;
  }

  /** Everything is over: was it as it must be? */
  judge(): void {
    this.#judgeOutcome();
    this.#judgeAccount();
    this.#judgeRemains();
    this.#judgeSessions();
  }

  #judgeOutcome(): void {
    const { outcome, error, case: one } = this.#simulation;
    if (outcome === null) {
      const text = error instanceof LockstepError ? `${error.code}: ${error.message}` : String(error);
      this.fail(`the run failed: ${text}${error instanceof LockstepError ? '' : (error as Error).stack}`);
      return;
    }
    const { expected } = one;
    if (outcome.weightsDigest !== expected.weightsDigest) this.fail('other weights');
    if (outcome.stateDigest !== expected.stateDigest) this.fail('another state');
    if (outcome.chain !== expected.chain) this.fail('another chain');
    const epochs = JSON.stringify(epochBits(outcome.epochs));
    if (epochs !== JSON.stringify(expected.epochs)) this.fail('other losses or evaluations');
    if (outcome.steps !== one.steps) this.fail(`${outcome.steps} steps, expected ${one.steps}`);
    if (outcome.samples !== one.run.samples.length * one.run.recipe.epochs) {
      this.fail(`${outcome.samples} samples`);
    }
  }

  #judgeAccount(): void {
    const { fleet, case: one, faults, schedule } = this.#simulation;
    const shards = fleet.account().reduce((sum, work) => sum + work.shards, 0);
    if (shards !== one.shards) this.fail(`${shards} shards in the account, expected ${one.shards}`);
    const { happened } = faults;
    const mayRecompute =
      happened.some((kind) => kind !== 'join' && kind !== 'foreignFrames') ||
      schedule.stepTimeoutMs < 1000 ||
      this.#casualties > 0;
    if (fleet.shardsRecomputed > 0 && !mayRecompute) this.fail('shards were computed twice for no reason');
    const nans = happened.filter((kind) => kind === 'nan' || kind === 'evaluationNan').length;
    if (this.#thrownOut.length > nans) this.fail(`thrown out for nothing: ${this.#thrownOut.join('; ')}`);
    if (nans === 0 && this.conflicts > 0) this.fail(`${this.conflicts} conflicts`);
    // Who lost something and got it again may take a copy for the answer that it waits for.
    if (this.#casualties === 0 && fleet.framesDropped < this.#duplicates) {
      this.fail(`${fleet.framesDropped} frames dropped, ${this.#duplicates} came twice`);
    }
  }

  #judgeRemains(): void {
    const { coordinator, connections, workers, fleet, case: one } = this.#simulation;
    if (coordinator.timers > 0) this.fail(`${coordinator.timers} timers of the coordinator are left`);
    const open = connections.filter(({ coordinator: end }) => end.state !== 'closed').length;
    if (open > 0) this.fail(`${open} connections of the coordinator are left`);
    const most = Math.max(
      0,
      ...connections.flatMap(({ coordinator: end }) => end.bulk?.mostBufferedBytes ?? 0),
    );
    const { flatSize } = one.run.architecture;
    // Two replicas, the totals of two steps, and data that goes ahead.
    const limit = 2 * (8 * flatSize + 64) + 2 * (4 * flatSize + 4096) + 5 * (chunkBytes + 64);
    if (most > limit) this.fail(`${most} bytes were buffered, expected at most ${limit}`);
    for (const worker of workers) {
      if (!worker.process.isAlive) continue;
      if (worker.process.timers > 0) this.fail(`${worker.process.timers} timers of ${worker.name} are left`);
    }
    if (fleet.workers > 0) this.fail(`${fleet.workers} workers take part after the end`);
  }

  #judgeSessions(): void {
    const { workers } = this.#simulation;
    for (const { process, lastEnd, name, isSuspect } of workers) {
      if (!process.isAlive) continue;
      const kind = lastEnd?.kind;
      if (kind === undefined || kind === 'lost') this.fail(`${name} never ended`);
      if ((kind === 'left' || kind === 'failed') && !isSuspect) this.fail(`${name}: ${lastEnd?.reason}`);
    }
  }
}
