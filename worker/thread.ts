/** What one thread of a team runs: it takes commands from shared memory until it is told to end. */

import { threadId } from 'node:worker_threads';
import { LockstepError } from '../shared/errors.ts';
import type { LoadedKernels } from '../shared/kernels/load.ts';
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import { type Group, LocalGroup } from '../shared/reduction/group.ts';
import type { Span } from '../shared/reduction/span.ts';
import { type StepModel, trainStep } from '../shared/step.ts';
import { type Setup, Training } from '../shared/training.ts';
import { Barrier, StepAborted } from './barrier.ts';
import { Control, kinds, own, words } from './control.ts';
import { type Failpoint, failAt } from './failpoint.ts';
import { joinRanks, type MpiOptions, sharesOf } from './mpi/join-ranks.ts';
import type { RankGroup } from './mpi/rank-group.ts';
import { PhaseClock } from './phase-clock.ts';
import { addingTo } from './profile.ts';
import { TeamProgress } from './progress.ts';
import { Recorder } from './recorder.ts';
import { SegmentedStep } from './segmented-step.ts';

export interface ThreadTask {
  readonly setup: Setup;
  readonly kernels: LoadedKernels;
  readonly memory: SharedMemory;
  readonly profile: boolean;
  readonly rank: number;
  /** The last command that this rank need not carry out. */
  readonly lastCommand: number;
  readonly cores: number;
  readonly barrierDeadlineMs: number;
  readonly failpoint: Failpoint | null;
  /** How to meet the other ranks of a job; null where there are none. */
  readonly mpi: MpiOptions | null;
}

/** Idle threads look up this often, so that none sleeps for ever on a word that nobody will write. */
const idleMs = 10_000;

/** Returns what MPI failed with, if it did: of an error that is thrown, its code does not come to the main thread. */
export default function thread(task: ThreadTask): string | null {
  try {
    work(task);
    return null;
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'MPI') return error.message;
    throw error;
  }
}

function work(task: ThreadTask): void {
  const { rank, setup, failpoint } = task;
  const size = setup.sizes.threads;
  const training = new Training(setup, task.kernels, task.memory, rank, size, sharesOf(setup));
  const control = new Control(task.memory, training.plan);
  const progress = new TeamProgress(control, rank, size);
  const barrier = new Barrier(control.words, size, task.cores, task.barrierDeadlineMs);
  const meet = () => barrier.wait();
  const meetTeam = () => {
    failAt(failpoint, progress.step, progress.barriers);
    progress.wait(meet);
  };
  const every = () => Atomics.load(control.words, words.record);
  const recorder = new Recorder(task.memory, training.plan, rank, every);
  const segmented = new SegmentedStep(training, rank, size, meetTeam, recorder);
  const clock = task.profile ? profileOf(control, rank) : null;
  const ranks = task.mpi === null ? null : joinRanks(task, task.mpi, training, progress, meetTeam);
  const group = ranks ?? new LocalGroup(meetTeam);
  const model = ranks?.model ?? training.model;
  const stepOf = { model, group, ranks };
  const takeStep = clock === null ? recordedNowAndThen(stepOf, recorder) : watchedBy(clock, stepOf);
  Atomics.store(control.words, control.own(rank, own.threadId), threadId);

  let command = task.lastCommand;
  for (;;) {
    finish(control, rank, command);
    command = nextCommand(control.words, command);
    progress.resume();
    const kind = Atomics.load(control.words, words.kind);
    switch (kind) {
      case kinds.end:
        return;
      case kinds.train:
        clock?.start();
        train(training, group, control.words, progress, takeStep);
        clock?.turnTo('other');
        break;
      case kinds.evaluateTest:
      case kinds.evaluateTrain:
        evaluate(training, kind, control.words, progress);
        break;
      default:
        takeSegment(segmented, kind, control, progress);
    }
  }
}

type TakeStep = (span: Span, committed: number) => void;

function profileOf(control: Control, rank: number): PhaseClock {
  return new PhaseClock(addingTo(control.phaseSeconds(rank)), () => performance.now());
}

/** What a step is made with. */
interface StepOf {
  readonly model: StepModel;
  readonly group: Group;
  /** The group, where it is one of ranks. */
  readonly ranks: RankGroup | null;
}

/** Steps with a clock around them. */
function watchedBy(clock: PhaseClock, { model, group, ranks }: StepOf): TakeStep {
  const watched = { model: clock.watchModel(model), group: clock.watchGroup(group) };
  return (span) => {
    ranks?.begin(clock);
    trainStep(watched.model, span, watched.group);
  };
}

/** Steps as they are, and with the recorder's clock around those that it wants. */
function recordedNowAndThen(stepOf: StepOf, recorder: Recorder): TakeStep {
  const takeRecorded = watchedBy(recorder.clock, stepOf);
  const { model, group, ranks } = stepOf;
  return (span, committed) => {
    if (!recorder.begin(committed)) {
      ranks?.begin(null);
      trainStep(model, span, group);
      return;
    }
    takeRecorded(span, committed);
    recorder.end();
  };
}

function evaluate(training: Training, kind: number, control: Int32Array, progress: TeamProgress): void {
  const from = Atomics.load(control, words.firstStep);
  const to = Atomics.load(control, words.endStep);
  const split = kind === kinds.evaluateTest ? 'test' : 'train';
  training.evaluate(split, progress.committed, () => progress.alive(), { from, to });
}

/** Takes a part of a step whose exchanges are made elsewhere. */
function takeSegment(segmented: SegmentedStep, kind: number, control: Control, progress: TeamProgress): void {
  const step = Atomics.load(control.words, words.firstStep);
  const exchange = Atomics.load(control.words, words.exchange);
  const number = { step, committed: progress.committed };
  try {
    progress.begin(step);
    if (kind === kinds.apply) {
      segmented.apply(number);
      return;
    }
    const { held, merged } = control.readNodes();
    if (kind === kinds.begin) segmented.begin(number, exchange, held);
    if (kind === kinds.extend) segmented.extend(number, exchange, held);
    if (kind === kinds.advance) segmented.advance(exchange);
    segmented.merge(number, exchange, merged);
  } catch (error) {
    if (!(error instanceof StepAborted)) throw error;
  }
}

function train(
  training: Training,
  group: Group,
  control: Int32Array,
  progress: TeamProgress,
  takeStep: TakeStep,
): void {
  try {
    const first = Atomics.load(control, words.firstStep);
    training.trainSteps(group, first, Atomics.load(control, words.endStep), progress, takeStep);
  } catch (error) {
    // The main thread called the step off because another thread is gone; it will be run again.
    if (!(error instanceof StepAborted)) throw error;
  }
}

function finish(control: Control, rank: number, command: number): void {
  Atomics.store(control.words, control.own(rank, own.finished), command);
  Atomics.add(control.words, words.finished, 1);
  Atomics.notify(control.words, words.finished);
}

function nextCommand(control: Int32Array, last: number): number {
  for (;;) {
    const command = Atomics.load(control, words.command);
    if (command !== last) return command;
    Atomics.wait(control, words.command, last, idleMs);
  }
}
