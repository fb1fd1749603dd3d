/** Makes the faults of a schedule happen. */
import { Dice } from './dice.ts';
import type { Connection, End } from './network.ts';
import type { Item } from './pipe.ts';
import type { Fault, FaultKind } from './schedule.ts';
import type { SimulatedWorker } from './simulated-worker.ts';
import type { Simulation } from './simulation.ts';

type AnyEnd = End<unknown, unknown>;

/** Where a fault found nobody, it is tried again after so long. */
const retryMs = 25;

export class FaultEngine {
  readonly happened: FaultKind[] = [];
  readonly #simulation: Simulation;
  readonly #dice: Dice;
  #waiting: Fault[];
  /** Kills that wait for something to be sent or taken. */
  #traps: Fault[] = [];
  #isStorming = false;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.#dice = new Dice(simulation.schedule.seed, 3);
    this.#waiting = [...simulation.schedule.faults];
    this.look();
  }

  /** Takes up faults whose step has come. */
  look(): void {
    const { world, fleet, schedule } = this.#simulation;
    const due = this.#waiting.filter(({ committed }) => committed <= fleet.committed);
    if (due.length > 0) this.#waiting = this.#waiting.filter((fault) => !due.includes(fault));
    for (const fault of due) world.at(world.nowMs + fault.delayMs, () => this.#inject(fault));
    if (schedule.killEveryMs === null || this.#isStorming || fleet.workers === 0) return;
    this.#isStorming = true;
    this.#storm(schedule.killEveryMs);
  }

  sending(end: AnyEnd, item: Item<unknown>): boolean {
    this.look();
    return this.#spring(end, item, end.side === 'worker', 'sending');
  }

  taking(end: AnyEnd, item: Item<unknown>): boolean {
    return this.#spring(end, item, end.side === 'worker', 'taking');
  }

  /** Kills a worker that a trap was set for. Returns false if what it was about to do does not happen. */
  #spring(end: AnyEnd, item: Item<unknown>, isWorker: boolean, doing: 'sending' | 'taking'): boolean {
    if (this.#traps.length === 0 || !isWorker) return true;
    const what = typeOf(item);
    const trap = this.#traps.find(
      ({ kind }) => kind === `kill ${doing} ${what}` || (doing === 'sending' && kind === `kill sent ${what}`),
    );
    const worker = this.#simulation.workers.find(({ process }) => process === end.process);
    if (trap === undefined || worker === undefined || !this.#mayFail(worker)) return true;
    this.#traps = this.#traps.filter((other) => other !== trap);
    this.#happen(trap.kind, worker);
    // What has been handed to the network already goes its way; what has not is lost.
    if (trap.kind.startsWith('kill sent')) {
      worker.process.post(() => this.#kill(worker, trap));
      return true;
    }
    this.#kill(worker, trap);
    return false;
  }

  #inject(fault: Fault): void {
    const { world, coordinator, isOver } = this.#simulation;
    if (isOver) return;
    const { kind, durationMs } = fault;
    if (kind.startsWith('kill ')) {
      this.#traps.push(fault);
      // Somebody to fall into it comes later.
      this.#replace(fault, null);
      return;
    }
    if (kind === 'freezeCoordinator') {
      this.#happen(kind, null);
      coordinator.frozenUntilMs = world.nowMs + durationMs;
      return;
    }
    if (kind === 'join') {
      this.#happen(kind, null);
      this.#replace(fault, null);
      return;
    }
    const candidates = this.#simulation.workers.filter((one) => this.#mayFail(one));
    const worker = this.#dice.pick(candidates);
    if (worker?.connection?.isOpen) this.#injectInto(fault, worker, worker.connection);
    else {
      // Nobody to whom it can happen yet.
      if (candidates.length === 0) this.#replace({ ...fault, replaceMs: 0 }, null);
      world.at(world.nowMs + retryMs, () => this.#inject(fault));
    }
  }

  #injectInto(fault: Fault, worker: SimulatedWorker, connection: Connection): void {
    const { world } = this.#simulation;
    const { kind, durationMs } = fault;
    const both = { control: true, bulk: true };
    if (kind !== 'throw' && kind !== 'nan' && kind !== 'evaluationNan' && kind !== 'replica') {
      this.#happen(kind, worker);
    }
    switch (kind) {
      case 'kill':
        this.#kill(worker, fault);
        break;
      case 'powerLoss':
        worker.process.isAlive = false;
        connection.stall(Number.POSITIVE_INFINITY, { up: true, down: true, ...both });
        this.#replace(fault, worker);
        break;
      case 'freeze':
        worker.process.frozenUntilMs = world.nowMs + durationMs;
        break;
      case 'cut':
        worker.cutUntilMs = world.nowMs + durationMs;
        connection.stall(durationMs, { up: true, down: true, ...both });
        break;
      case 'cutUp':
        connection.stall(durationMs, { up: true, ...both });
        break;
      case 'cutDown':
        connection.stall(durationMs, { down: true, ...both });
        break;
      case 'bulkStall':
        connection.stall(3 * durationMs, {
          up: this.#dice.chance(0.7),
          down: this.#dice.chance(0.7),
          bulk: true,
        });
        break;
      case 'reset':
        connection.reset();
        break;
      case 'reconnect':
        // The worker sees the end of its connection, the coordinator does not; the worker is back before it does.
        connection.stall(durationMs, { up: true, down: true, ...both });
        worker.process.post(() => connection.worker.destroy());
        break;
      case 'leave':
        worker.process.post(() => worker.session?.leave('its user wants it back'));
        this.#replace(fault, null);
        break;
      case 'throw':
      case 'nan':
      case 'evaluationNan':
      case 'replica':
        worker.faults.next = kind;
        worker.faults.happened = () => {
          this.#happen(kind, worker);
          if (kind !== 'replica') this.#replace(fault, null);
        };
        if (kind === 'replica') connection.reset();
        break;
      case 'slow': {
        const { shardMs } = worker.faults;
        worker.faults.shardMs = 50 * shardMs;
        world.at(world.nowMs + durationMs, () => {
          worker.faults.shardMs = shardMs;
        });
        break;
      }
      case 'foreignFrames':
        this.#sendForeign(connection);
        break;
      default:
    }
  }

  /** Frames of another run, of steps to come and of steps that were. */
  #sendForeign({ worker, coordinator }: Connection): void {
    const { judge, fleet } = this.#simulation;
    if (!worker.hasBulk || !coordinator.hasBulk) return;
    const place = { exchange: 0, lo: 0, hi: 1, panel: 0, microseconds: 5, step: fleet.committed };
    worker.sendFrame({ type: 'partial', run: 2 ** 32 - 1, ...place }, new Uint8Array(16));
    coordinator.sendFrame({ type: 'total', run: 2 ** 32 - 1, ...place }, new Uint8Array(16));
    judge.foreignFrames += 1;
  }

  #storm(everyMs: number): void {
    const { world, isOver, workers, schedule } = this.#simulation;
    if (isOver) return;
    const alive = workers.filter((one) => this.#mayFail(one));
    const victim = alive.length > schedule.minWorkers ? this.#dice.pick(alive) : null;
    if (victim !== null) {
      this.#happen('kill', victim);
      this.#kill(victim, { isSameId: false, replaceMs: 0 });
    } else if (alive.length <= schedule.minWorkers) this.#replace({ isSameId: false, replaceMs: 0 }, null);
    world.at(world.nowMs + everyMs, () => this.#storm(everyMs));
  }

  #kill(worker: SimulatedWorker, fault: Pick<Fault, 'isSameId' | 'replaceMs'>): void {
    const { connections } = this.#simulation;
    worker.process.isAlive = false;
    for (const { worker: end } of connections) if (end.process === worker.process) end.break();
    this.#replace(fault, worker);
  }

  #replace(
    { isSameId, replaceMs }: Pick<Fault, 'isSameId' | 'replaceMs'>,
    gone: SimulatedWorker | null,
  ): void {
    const { schedule } = this.#simulation;
    const { shardMs, prepareMs } = this.#dice.pick(schedule.workers) ?? { shardMs: 1, prepareMs: 1 };
    const newcomer = { startMs: replaceMs, shardMs, prepareMs, fetches: false };
    const id = isSameId && gone !== null ? Number(gone.name.split(' ')[1]) : undefined;
    this.#simulation.start(newcomer, id);
  }

  #mayFail(worker: SimulatedWorker): boolean {
    const { schedule, workers } = this.#simulation;
    if (schedule.hasAnchor && worker === workers[0]) return false;
    const end = worker.lastEnd;
    const isHome = end !== undefined && end.kind !== 'lost';
    return worker.process.isAlive && !isHome;
  }

  #happen(kind: FaultKind, worker: SimulatedWorker | null): void {
    this.happened.push(kind);
    if (worker !== null) worker.isSuspect = true;
    this.#simulation.world.note(`fault ${kind} ${worker?.name ?? ''}`);
  }
}

function typeOf(item: Item<unknown>): string {
  if (item.kind === 'frame') return item.frame.type;
  if (item.kind !== 'message') return item.kind;
  return (item.message as { type: string }).type;
}
