/** One simulated run from top to bottom: the real coordinator and workers, and what must be true of them. */
import { setImmediate } from 'node:timers/promises';
import { coordinate } from '../../../coordinator/coordinator.ts';
import { Fleet } from '../../../coordinator/fleet.ts';
import type { Outcome } from '../../../coordinator/reports.ts';
import { largestPayloadBytes } from '../../../shared/setup.ts';
import type { StepTimeline } from '../../../shared/timeline.ts';
import { Dice } from './dice.ts';
import { FaultEngine } from './faults.ts';
import { Judge } from './judge.ts';
import { Connection, type Traffic } from './network.ts';
import type { Case } from './recipes.ts';
import { drawSchedule, type FaultKind, type Newcomer, type Schedule, workerTimeoutMs } from './schedule.ts';
import { SimulatedWorker } from './simulated-worker.ts';
import { Process, World } from './world.ts';

export interface Report {
  readonly seed: number;
  readonly recipe: string;
  readonly failures: readonly string[];
  readonly traceHash: string;
  readonly lines: readonly string[] | null;
  readonly simulatedMs: number;
  /** Faults that were planned, and those that happened. */
  readonly planned: readonly FaultKind[];
  readonly happened: readonly FaultKind[];
  readonly deaths: number;
  readonly joins: number;
  readonly framesDropped: number;
  readonly shardsRecomputed: number;
  readonly conflicts: number;
  readonly timelines: number;
}

/** After the end of a run nothing goes on for so long. */
const afterMs = 600_000;

/** Where a simulated run is. */
export class Simulation {
  readonly schedule: Schedule;
  readonly case: Case;
  readonly world: World;
  readonly coordinator: Process;
  readonly fleet: Fleet;
  readonly workers: SimulatedWorker[] = [];
  readonly connections: Connection[] = [];
  readonly judge: Judge;
  readonly faults: FaultEngine;
  isOver = false;
  /** Steps that the run told how they were spent. */
  timelines = 0;
  outcome: Outcome | null = null;
  error: unknown = null;
  #ids = 0;
  #endMs = 0;
  readonly #dice: Dice;
  readonly #traffic: Traffic;

  constructor(schedule: Schedule, one: Case, keepTrace: boolean) {
    this.schedule = schedule;
    this.case = one;
    one.renew();
    this.world = new World(keepTrace);
    this.#dice = new Dice(schedule.seed, 2);
    this.coordinator = new Process(this.world, 'coordinator');
    this.judge = new Judge(this);
    const { stepTimeoutMs, waitFor, minWorkers } = schedule;
    this.fleet = new Fleet({
      run: one.run,
      clock: this.coordinator,
      workers: waitFor,
      minWorkers,
      workerTimeoutMs,
      stepTimeoutMs,
      onEvent: (event) => {
        this.world.note(`fleet ${JSON.stringify(event)}`);
        this.judge.event(event);
      },
    });
    this.faults = new FaultEngine(this);
    this.#traffic = {
      sending: (end, item) => {
        this.judge.sending(end, item);
        return this.faults.sending(end, item);
      },
      taking: (end, item) => {
        this.judge.taking(end, item);
        return this.faults.taking(end, item);
      },
      duplicate: (end) => this.judge.duplicate(end),
    };
  }

  /** Runs to the end of everything. */
  async run(): Promise<Report> {
    const { judge } = this;
    try {
      await this.#live();
    } catch (error) {
      judge.fail(`thrown: ${error instanceof Error ? error.stack : String(error)}`);
    }
    if (!this.isOver) {
      this.fleet.close('the simulation ends');
      await setImmediate();
    }
    return this.#report();
  }

  async #live(): Promise<void> {
    const { world, schedule, judge } = this;
    for (const newcomer of schedule.workers) this.start(newcomer);
    // Some are watched, and some of those not to their end.
    const { seed } = schedule;
    const stop = seed % 2 === 0 ? null : this.fleet.watchSteps((timeline) => this.#watched(timeline));
    if (seed % 4 === 1) world.at(2_000, () => stop?.());
    coordinate(this.case.run, this.fleet, {}).then(
      (outcome) => {
        this.outcome = outcome;
        this.#end();
      },
      (error: unknown) => {
        this.error = error;
        this.#end();
      },
    );
    const how = await world.run(() => this.isOver || judge.hasFailed, judge.limitMs());
    if (!this.isOver) judge.fail(`hang: ${how} after ${this.fleet.committed} steps`);
    this.#endMs = world.nowMs;
    if (!this.isOver) return;
    const rest = await world.run(() => false, this.#endMs + afterMs);
    if (rest !== 'nothing left') judge.fail('something goes on after the end');
    judge.judge();
  }

  #report(): Report {
    const { world, schedule, judge } = this;
    return {
      seed: schedule.seed,
      recipe: this.case.name,
      failures: judge.failures,
      traceHash: world.traceHash(),
      lines: world.lines,
      simulatedMs: this.#endMs,
      planned: schedule.faults.map(({ kind }) => kind),
      happened: this.faults.happened,
      deaths: this.fleet.deaths,
      joins: this.fleet.joins,
      framesDropped: this.fleet.framesDropped,
      shardsRecomputed: this.fleet.shardsRecomputed,
      conflicts: judge.conflicts,
      timelines: this.timelines,
    };
  }

  /** Starts a worker's process, one that nobody knows or one that comes back. */
  start({ startMs, shardMs, prepareMs, fetches }: Newcomer, id = ++this.#ids): void {
    const { run } = this.case;
    const { train, test } = run.setup.sizes.samples;
    const worker = new SimulatedWorker({
      process: new Process(this.world, `worker ${id}`),
      id,
      shardMs,
      prepareMs,
      fetches,
      memory: this.case.borrow(),
      payloadBytes: largestPayloadBytes(run.setup),
      dataBytes: (train + test) * 785,
      dice: this.#dice,
      connect: (one) => this.#connect(one),
      note: (line) => this.world.note(line),
    });
    this.workers.push(worker);
    worker.process.after(startMs, () => {
      worker.live().catch((error: unknown) => this.judge.fail(`${worker.name}: ${String(error)}`));
    });
  }

  async #connect(worker: SimulatedWorker): Promise<Connection> {
    const { world, coordinator, schedule } = this;
    const { process } = worker;
    while (worker.cutUntilMs > world.nowMs) {
      await process.sleep(worker.cutUntilMs - world.nowMs + this.#dice.between(0, 500));
    }
    await process.sleep(2 * schedule.weather.latencyMs);
    const ends = [process, coordinator] as const;
    const connection = new Connection(
      world,
      schedule.weather,
      this.#dice,
      this.#traffic,
      ends,
      this.connections.length,
    );
    this.connections.push(connection);
    world.note(`${worker.name} connects`);
    coordinator.post(() => {
      connection.coordinator.events = this.fleet.arrive(connection.arriving());
    });
    return connection;
  }

  #watched({ step, workers, coordinator }: StepTimeline): void {
    this.timelines += 1;
    const threads = workers.flatMap(({ threads }) => threads);
    if (step < 1 || step > this.fleet.committed) this.judge.fail(`a timeline of step ${step}`);
    if (workers.length === 0 || threads.some((segments) => segments.length === 0)) {
      this.judge.fail(`an empty timeline of step ${step}`);
    }
    if (coordinator !== undefined && coordinator.ms < 0) this.judge.fail(`step ${step} took no time`);
  }

  #end(): void {
    this.isOver = true;
    this.world.note(`the run is over: ${this.error === null ? 'done' : String(this.error)}`);
    this.fleet.close('the run is over');
  }
}

/** Runs the schedule of a seed; a storm, in which somebody is killed every 200 ms, may take the place of its faults. */
export function simulate(
  seed: number,
  cases: readonly Case[],
  { keepTrace = false, isStorm = false } = {},
): Promise<Report> {
  const steps = cases.map((one) => one.steps);
  const schedule = drawSchedule(seed, steps, isStorm);
  return new Simulation(schedule, cases[schedule.recipe], keepTrace).run();
}
