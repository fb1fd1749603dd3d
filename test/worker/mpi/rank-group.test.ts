/** What a rank makes of what the others tell at the end of a step; the other rank is told by the test. */
import t from 'tap';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { newMemory } from '../../../shared/model/memory-plan.ts';
import { noteBytes, rankPlaceOf } from '../../../shared/model/rank-plan.ts';
import { trainStep } from '../../../shared/step.ts';
import { planSetup, type Setup, Training } from '../../../shared/training.ts';
import { StepAborted } from '../../../worker/barrier.ts';
import { Control, problems, words } from '../../../worker/control.ts';
import { sharesOf } from '../../../worker/mpi/join-ranks.ts';
import { type Note, Notes } from '../../../worker/mpi/notes.ts';
import { RankGroup } from '../../../worker/mpi/rank-group.ts';

interface Told {
  /** How the other rank's note differs from this one's. */
  readonly note?: (own: Note) => Partial<Note>;
  /** Whether the other rank comes to the exchanges. */
  readonly comes?: boolean;
  readonly optimizer?: string;
}

const recipes = { 'without state': 'sgd(lr=0.1)', 'with state': 'sgd(lr=0.1,momentum=0.9)' };

/** Rank 0 of 2 takes a step of zeros, in which nothing comes but a note. */
function takeStep({ note = () => ({}), comes = true, optimizer = 'sgd(lr=0.1)' }: Told) {
  const ranks = { rank: 0, count: 2 };
  const setup: Setup = {
    ...{ input: [1, 4, 4], classes: 3, model: 'dense(20) relu dense(3)', batchNorm: 'sync', optimizer },
    sizes: {
      ...{ samples: { train: 8, test: 8 }, epochSamples: 8, batchSize: 8, shardSize: 2, threads: 1, ranks },
    },
  };
  const memory = newMemory(planSetup(setup).plan);
  const training = new Training(setup, loadKernels('auto'), memory, 0, 1, sharesOf(setup));
  const { words: control } = new Control(memory, training.plan);
  const place = rankPlaceOf(training.plan);
  const notes = new Notes(memory);
  let ends = false;
  let own: Note | null = null;
  const gathered: number[] = [];
  const group = new RankGroup({
    ...{ training, memory, place, hasWindows: false, thread: 0, threads: 1, barrier: () => {} },
    calls: {
      alltoallv: () => {},
      allgatherv: ({ buffer }) => {
        gathered.push(buffer);
        if (buffer !== place.notes) return;
        own = notes.read(place.notes);
        notes.write(place.notes + noteBytes, { ...own, ...note(own) });
      },
      test: () => comes,
    },
    wait: { words: control, deadlineMs: 30, spins: false },
    progress: {
      ...{ committed: 4, alive: () => {}, waiting: (action) => action(), busySeconds: () => 0.5 },
      endAfterThis: () => {
        ends = true;
      },
    },
  });
  training.nonFinite.clear();
  const span = training.spanOf(0, 4, 0, 2);
  group.begin(null);
  let isOver = true;
  try {
    trainStep(group.model, span, group);
  } catch (error) {
    if (!(error instanceof StepAborted)) throw error;
    isOver = false;
  }
  const at = (word: number) => Atomics.load(control, word);
  return {
    isOver,
    ends,
    own,
    gathered,
    span,
    training,
    problem: at(words.problem),
    problemRank: at(words.problemRank),
    agreed: at(words.agreed),
    abort: at(words.abort),
  };
}

for (const [which, optimizer] of Object.entries(recipes)) {
  const take = (told: Told = {}) => takeStep({ ...told, optimizer });

  t.test(`${which}: a step with a rank of the same mind is over, and goes on`, (t) => {
    const { isOver, ends, problem, own } = take();
    t.match({ isOver, ends, problem }, { isOver: true, ends: false, problem: problems.none });
    t.match(own, { committed: 4, busySeconds: 0.5, wish: 0, isBad: false });
    t.end();
  });

  t.test(`${which}: another step, and another replica, end it for all threads`, (t) => {
    const apart = take({ note: () => ({ committed: 5 }) });
    t.match(apart, { isOver: false, problem: problems.apart, problemRank: 1, abort: 1 });
    const different = take({ note: ({ replica }) => ({ replica: replica ^ 4n }) });
    t.match(different, { isOver: false, problem: problems.different, problemRank: 1, abort: 1 });
    t.end();
  });

  t.test(`${which}: a rank that does not come is missed after the deadline`, (t) => {
    t.match(take({ comes: false }), { isOver: false, problem: problems.overdue, abort: 1 });
    t.end();
  });

  t.test(`${which}: a wish to end is granted, with its exit code, after this step`, (t) => {
    t.match(take({ note: () => ({ wish: 140 }) }), { isOver: true, ends: true, agreed: 140 });
    t.end();
  });

  t.test(`${which}: NaN or infinity of another rank is found here, too`, (t) => {
    t.equal(take().training.nonFinite.found(), false);
    t.equal(take({ note: () => ({ isBad: true }) }).training.nonFinite.found(), true);
    t.end();
  });

  t.test(`${which}: losses are those of the rank that has merged them`, (t) => {
    // The losses lie behind the flat vector, so in the last rank's slice.
    const { training } = take({ note: () => ({ lossSum: 12, correct: 6 }) });
    t.same(training.model.batch, { loss: 1.5, correct: 6 });
    t.end();
  });
}

t.test('without state weights travel, and the checksum is that of what both ranks wrote', (t) => {
  const { gathered, span, training, own } = takeStep({ note: () => ({ written: 7n }) });
  t.equal(gathered.at(-1), span.next.flat);
  t.equal(training.model.checksum, BigInt.asUintN(64, (own as unknown as Note).written + 7n));
  t.end();
});

t.test('with state the gradient travels, and each rank writes all', (t) => {
  const optimizer = recipes['with state'];
  const { gathered, training, own } = takeStep({ note: () => ({ written: 0n }), optimizer });
  t.equal(gathered.at(-1), training.plan.gradient);
  t.match(own, { written: 0n });
  t.end();
});
