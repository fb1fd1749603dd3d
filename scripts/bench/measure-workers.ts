/** A coordinator in this process and workers in processes of their own, one thread each, as a side. */
import { randomBytes } from 'node:crypto';
import { type Door, openDoor } from '../../coordinator/door.ts';
import { Fleet, type FleetEvent } from '../../coordinator/fleet.ts';
import { FleetProfile } from '../../coordinator/fleet-profile.ts';
import { prepareRun } from '../../coordinator/prepare.ts';
import { LockstepError } from '../../shared/errors.ts';
import { addressText } from '../../shared/wire/address.ts';
import { collectFramesLate } from '../../shared/wire/collector.ts';
import { systemClock } from '../../shared/wire/link.ts';
import { travelOf } from '../travel.ts';
import type { Reading, Side } from './interleave.ts';
import type { Configuration } from './measure.ts';
import { TimedTraining } from './timed-training.ts';
import { WorkerProcess } from './worker-process.ts';
import { type WorkersStep, type WorkersTotals, workersStep } from './workers-step.ts';

/** Starting a process takes a third of a second; on a machine that is busy with something else some seconds. */
const workerTimeoutMs = 60_000;
const stepTimeoutMs = 30_000;
const host = '127.0.0.1';
/** After these, a speed would not be that of so many workers. */
const troubles: readonly FleetEvent['kind'][] = ['late', 'out of step', 'thrown out', 'conflict'];

interface Parts {
  readonly training: TimedTraining;
  readonly fleet: Fleet;
  readonly door: Door;
  readonly profile: FleetProfile;
  readonly processes: readonly WorkerProcess[];
  /** Resolves to an error when a worker does not what it should. */
  readonly trouble: Promise<LockstepError>;
}

export class WorkersMeasurement implements Side {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Starts workers, which get the data from here, and takes a step with them; the caller closes it.
   * @throws LockstepError (USAGE, DATA, CONNECTION, WORKERS)
   */
  static async start(options: Configuration, workers: number): Promise<WorkersMeasurement> {
    collectFramesLate();
    const run = await prepareRun({ ...options, threads: 1, initial: null });
    const clock = systemClock;
    const profile = new FleetProfile(clock.nowMs);
    let tell: (error: LockstepError) => void = () => {};
    const trouble = new Promise<LockstepError>((resolve) => {
      tell = resolve;
    });
    const fleet = new Fleet({
      ...{ run, clock, profile, workers, minWorkers: workers },
      ...{ workerTimeoutMs, stepTimeoutMs },
      onEvent: (event) => {
        if (!troubles.includes(event.kind) || !('reason' in event)) return;
        tell(new LockstepError('WORKERS', `${event.name} is not measured: ${event.kind}, ${event.reason}`));
      },
    });
    const token = randomBytes(16).toString('hex');
    const door = await openDoor({
      listen: { host, port: 0 },
      token,
      tls: null,
      onWorker: (link) => fleet.arrive(link),
      log: () => {},
    });
    const url = `ws://${addressText(host, door.port)}`;
    const kernels = run.kernels.set;
    const processes = Array.from(
      { length: workers },
      (_, i) => new WorkerProcess({ url, name: `worker ${i + 1}`, kernels }, token),
    );
    const training = new TimedTraining(run, fleet);
    const measurement = new WorkersMeasurement({ training, fleet, door, profile, processes, trouble });
    try {
      await measurement.run(0);
      return measurement;
    } catch (error) {
      await measurement.close();
      throw error;
    }
  }

  /** Process ids of the workers. */
  get pids(): (number | undefined)[] {
    return this.#parts.processes.map(({ pid }) => pid);
  }

  /**
   * Trains until the steps took so many seconds, at least one step.
   * @throws LockstepError (DIVERGED, WORKERS)
   */
  async run(seconds: number): Promise<Reading> {
    const { training, processes, trouble } = this.#parts;
    const outcome = await Promise.race([
      training.run(seconds),
      trouble,
      ...processes.map(({ died }) => died),
    ]);
    if (outcome instanceof LockstepError) throw outcome;
    return outcome;
  }

  /** Trains for so many seconds, and says where the time of a step went and what travelled. */
  async profile(seconds: number): Promise<WorkersStep> {
    const before = this.#totals();
    const reading = await this.run(seconds);
    return workersStep(before, this.#totals(), reading.seconds);
  }

  /** Sends the workers home; no process is left. */
  async close(): Promise<void> {
    const { fleet, door, processes } = this.#parts;
    fleet.close('the benchmark is over');
    await Promise.all([door.close('the benchmark is over'), ...processes.map((one) => one.close())]);
  }

  #totals(): WorkersTotals {
    const { training, fleet, profile } = this.#parts;
    const work = fleet.account();
    return {
      steps: training.steps,
      computing: work.reduce((sum, { seconds }) => sum + seconds, 0),
      coordinator: { ...profile.seconds },
      travel: travelOf(work),
    };
  }
}
