/** Whole trainings with workers of this process: their own memories and threads, and links that never leave it. */
import { coordinate } from '../../coordinator/coordinator.ts';
import { Fleet, type FleetEvent } from '../../coordinator/fleet.ts';
import { prepareRun } from '../../coordinator/prepare.ts';
import type { Keeping, StepReport } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import type { DatasetSource } from '../../shared/data/dataset.ts';
import { type KernelSet, loadKernels } from '../../shared/kernels/load.ts';
import { knownAnswer } from '../../shared/kernels/probe.ts';
import { arithmeticVersion } from '../../shared/recipe/recipe.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import type { StepListener } from '../../shared/step-listeners.ts';
import { version } from '../../shared/version.ts';
import { protocolVersion } from '../../shared/wire/limits.ts';
import { systemClock } from '../../shared/wire/link.ts';
import { localLink } from '../../shared/wire/local-link.ts';
import type { Hello } from '../../shared/wire/messages.ts';
import type { Failpoint } from '../../worker/failpoint.ts';
import { Session, type SessionEnd } from '../../worker/session.ts';
import { Team } from '../../worker/team.ts';
import { bringData } from '../../worker/worker-data.ts';
import { WorkerMemory } from '../../worker/worker-memory.ts';
import { label, type Trained } from './train.ts';

export interface TestWorker {
  readonly threads: number;
  readonly kernels?: KernelSet;
  readonly failpoints?: readonly Failpoint[];
  /** A bit of its first weight changes once it has made this update, counted from 1. */
  readonly flipAfter?: number;
}

export interface TrainedWithWorkers extends Trained {
  readonly fleet: Fleet;
  readonly events: readonly FleetEvent[];
  readonly ends: readonly SessionEnd[];
  /** Threads that died within workers. */
  readonly threadDeaths: number;
}

/** The hello of a worker that fits. */
export function helloOf(i: number, threads: number, kernels: KernelSet = 'wasm'): Hello {
  return {
    type: 'hello',
    protocol: protocolVersion,
    arithmetic: arithmeticVersion,
    version,
    answer: knownAnswer,
    workerId: i.toString(16).padStart(32, '0'),
    name: `worker ${i}`,
    threads,
    kernels,
  };
}

/** Trains a recipe with workers that are all there from the start. */
export async function trainWithWorkers(
  fields: RecipeFields,
  source: DatasetSource,
  workers: readonly TestWorker[],
  {
    keeping = null,
    from = null,
    watch,
  }: { keeping?: Keeping | null; from?: RunState | null; watch?: StepListener } = {},
): Promise<TrainedWithWorkers> {
  const draft = draftRecipe(fields, label);
  const kernels = loadKernels('wasm');
  const run = await prepareRun({ draft, source, kernels, threads: 1, initial: null, from, label });
  const events: FleetEvent[] = [];
  const fleet = new Fleet({
    run,
    clock: systemClock,
    workers: workers.length,
    minWorkers: 1,
    workerTimeoutMs: 30_000,
    stepTimeoutMs: 30_000,
    onEvent: (event) => events.push(event),
  });
  if (watch !== undefined) fleet.watchSteps(watch);
  const teams: Team[] = [];
  const sessions = workers.map((worker, i) => joinFleet(fleet, worker, i, (team) => teams.push(team)));
  const losses: number[] = [];
  const accuracies: number[] = [];
  try {
    const onSteps = (reports: readonly StepReport[]): void => {
      losses.push(...reports.map(({ loss }) => loss));
      accuracies.push(...reports.map(({ accuracy }) => accuracy));
    };
    const outcome = await coordinate(run, fleet, { onSteps }, keeping);
    fleet.close('the run is done');
    const ends = await Promise.all(sessions.map(({ ended }) => ended));
    const threadDeaths = teams.reduce((sum, { deaths }) => sum + deaths, 0);
    return { ...outcome, run, losses, accuracies, fleet, events, ends, threadDeaths };
  } finally {
    fleet.close('the test is over');
    await Promise.all(sessions.map(({ ended }) => ended));
    for (const team of teams) await team.close();
  }
}

function joinFleet(
  fleet: Fleet,
  { threads, kernels: set = 'wasm', failpoints = [], flipAfter }: TestWorker,
  i: number,
  onTeam: (team: Team) => void,
): Session {
  const kernels = loadKernels(set);
  const { worker, coordinator, listen } = localLink(`worker ${i}`);
  const session = new Session(worker, {
    clock: systemClock,
    hello: helloOf(i, threads, set),
    payloadBytes: () => 2 ** 30,
    prepare: async ({ recipe, samples }, fetch) => {
      const memory = new WorkerMemory({ recipe, samples, kernels, threads });
      await bringData(memory, { data: null, cache: null }, fetch, () => {});
      const crew = await Team.start({ setup: memory.setup, kernels, memory: memory.memory, failpoints });
      onTeam(crew);
      if (flipAfter !== undefined) flipAWeight(memory, crew, flipAfter);
      return { memory, crew };
    },
  });
  listen(session, fleet.arrive(coordinator));
  return session;
}

/** As a broken memory would: a bit of the current parameters is another one after an update. */
function flipAWeight(memory: WorkerMemory, crew: Team, update: number): void {
  const { apply } = crew;
  let updates = 0;
  crew.apply = async (step) => {
    await apply.call(crew, step);
    updates += 1;
    if (updates !== update) return;
    const { flat } = memory.training.plan.replicas[crew.committed % 2];
    new Uint8Array(memory.memory.buffer, flat, 1)[0] ^= 1;
  };
}
