/** A worker's process in the simulation: it connects, works for a session, and comes back when a connection is lost. */
import { knownAnswer } from '../../../shared/kernels/probe.ts';
import { arithmeticVersion } from '../../../shared/recipe/recipe.ts';
import { version } from '../../../shared/version.ts';
import { chunkBytes, protocolVersion } from '../../../shared/wire/limits.ts';
import type { Hello } from '../../../shared/wire/messages.ts';
import type { Prepared } from '../../../worker/crew.ts';
import type { DataSink } from '../../../worker/data-intake.ts';
import type { Job } from '../../../worker/job.ts';
import { Session, type SessionEnd } from '../../../worker/session.ts';
import type { WorkerMemory } from '../../../worker/worker-memory.ts';
import { type CrewFaults, SimulatedCrew } from './crew.ts';
import type { Dice } from './dice.ts';
import type { Connection } from './network.ts';
import type { Process } from './world.ts';

export interface SimulatedWorkerOptions {
  readonly process: Process;
  readonly id: number;
  readonly shardMs: number;
  /** Milliseconds until it has data and memory; it asks the coordinator for the data if `fetches`. */
  readonly prepareMs: number;
  readonly fetches: boolean;
  readonly memory: WorkerMemory;
  readonly payloadBytes: number;
  readonly dataBytes: number;
  readonly dice: Dice;
  /** Connects; to be awaited by a living process only. */
  connect(worker: SimulatedWorker): Promise<Connection>;
  note(line: string): void;
}

export class SimulatedWorker {
  readonly process: Process;
  readonly name: string;
  readonly faults: CrewFaults;
  readonly ends: SessionEnd[] = [];
  connection: Connection | null = null;
  session: Session | null = null;
  /** Nobody reaches anybody from its machine until then. */
  cutUntilMs = 0;
  /** True from a fault on that may cost it its place. */
  isSuspect = false;
  readonly #options: SimulatedWorkerOptions;
  readonly #prepared: Prepared;

  constructor(options: SimulatedWorkerOptions) {
    this.#options = options;
    this.process = options.process;
    this.name = options.process.name;
    this.faults = { shardMs: options.shardMs, next: null, happened: () => {} };
    const { memory, process } = options;
    this.#prepared = { memory, crew: new SimulatedCrew(memory, process, this.faults) };
  }

  get memory(): WorkerMemory {
    return this.#options.memory;
  }

  get lastEnd(): SessionEnd | undefined {
    return this.ends.at(-1);
  }

  async live(): Promise<void> {
    for (;;) {
      const connection = await this.#options.connect(this);
      this.connection = connection;
      const session = new Session(connection.leaving(), {
        clock: this.process,
        hello: this.#hello(),
        payloadBytes: () => this.#options.payloadBytes,
        prepare: (job, fetch) => this.#prepare(job, fetch),
        onEvent: (event) => this.#options.note(`${this.name} ${event.kind}`),
      });
      this.session = session;
      connection.worker.events = session;
      const end = await session.ended;
      this.ends.push(end);
      this.#options.note(`${this.name} ended ${end.kind}: ${end.reason}`);
      if (end.kind !== 'lost') return;
      await this.process.sleep(this.#options.dice.between(50, 1500));
    }
  }

  #hello(): Hello {
    return {
      type: 'hello',
      protocol: protocolVersion,
      arithmetic: arithmeticVersion,
      version,
      answer: knownAnswer,
      workerId: this.#options.id.toString(16).padStart(32, '0'),
      name: 'worker',
      threads: 1,
      kernels: 'wasm',
    };
  }

  async #prepare(_: Job, fetch: (sink: DataSink) => Promise<void>): Promise<Prepared> {
    const { fetches, dataBytes, prepareMs } = this.#options;
    if (fetches) await fetch(new CountingSink(dataBytes));
    await this.process.sleep(prepareMs);
    return this.#prepared;
  }
}

/** Takes a data set that is there already. */
class CountingSink implements DataSink {
  readonly #bytes: number;
  #next = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  chunk(panel: number, bytes: Uint8Array): boolean {
    const expected = Math.min(chunkBytes, this.#bytes - panel * chunkBytes);
    if (panel !== this.#next || bytes.length !== expected) throw new Error(`chunk ${panel}`);
    this.#next += 1;
    return this.#next * chunkBytes >= this.#bytes;
  }
}
