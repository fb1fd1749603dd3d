/** A run with its door open, in this process, for workers that come over the network. */
import { coordinate } from '../../coordinator/coordinator.ts';
import type { Fleet, FleetEvent } from '../../coordinator/fleet.ts';
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import type { Hooks, StepReport } from '../../coordinator/reports.ts';
import type { Invitation } from '../../scripts/invitation.ts';
import { type OpenWorkers, openWorkers } from '../../scripts/workers.ts';
import type { DatasetSource } from '../../shared/data/dataset.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { EventLog } from './event-log.ts';
import { label, type Trained } from './train.ts';

export interface RemoteOptions {
  readonly fields: RecipeFields;
  readonly source: DatasetSource;
  readonly workers: number;
  readonly minWorkers?: number;
  readonly workerTimeoutMs?: number;
  readonly stepTimeoutMs?: number;
  readonly host?: string;
  readonly onEvent?: (event: FleetEvent) => void;
  readonly tls?: { readonly cert: string; readonly key: string; readonly fingerprint: string } | null;
}

export class RemoteRun {
  readonly log = new EventLog<FleetEvent>();
  /** Lines about those who were not let in. */
  readonly refused: string[] = [];
  readonly run: Run;
  #open: OpenWorkers | null = null;
  #invitation: Invitation | null = null;

  private constructor(run: Run) {
    this.run = run;
  }

  static async open(options: RemoteOptions): Promise<RemoteRun> {
    const kernels = loadKernels('wasm');
    const draft = draftRecipe(options.fields, label);
    const { source } = options;
    const opened = new RemoteRun(
      await prepareRun({ draft, source, kernels, threads: 1, initial: null, label }),
    );
    opened.#open = await openWorkers(opened.run, kernels, {
      listen: { host: options.host ?? '127.0.0.1', port: 0 },
      token: null,
      tls: options.tls ?? null,
      threads: 0,
      workers: options.workers,
      minWorkers: options.minWorkers ?? 1,
      workerTimeoutMs: options.workerTimeoutMs ?? 60_000,
      stepTimeoutMs: options.stepTimeoutMs ?? 30_000,
      onEvent: (event) => {
        opened.log.add(event);
        options.onEvent?.(event);
      },
      onOpen: (invitation) => {
        opened.#invitation = invitation;
      },
      log: (line) => opened.refused.push(line),
    });
    return opened;
  }

  get fleet(): Fleet {
    if (this.#open === null) throw new Error('the door is not open');
    return this.#open.fleet;
  }

  /** What a worker needs to come. */
  get way(): { readonly url: string; readonly token: string; readonly fingerprint: string | null } {
    if (this.#invitation === null) throw new Error('the door is not open');
    const { url, token, fingerprint } = this.#invitation;
    return { url, token, fingerprint };
  }

  get port(): number {
    return Number(new URL(this.way.url).port);
  }

  /** Trains to the end, and then sends everybody home. */
  async train(hooks: Hooks = {}): Promise<Trained> {
    const losses: number[] = [];
    const accuracies: number[] = [];
    const onSteps = (reports: readonly StepReport[]): void => {
      losses.push(...reports.map(({ loss }) => loss));
      accuracies.push(...reports.map(({ accuracy }) => accuracy));
      hooks.onSteps?.(reports);
    };
    try {
      const outcome = await coordinate(this.run, this.fleet, { ...hooks, onSteps });
      return { ...outcome, run: this.run, losses, accuracies };
    } finally {
      await this.close('the run is done');
    }
  }

  async close(reason = 'the test is over'): Promise<void> {
    await this.#open?.close(reason);
  }
}
