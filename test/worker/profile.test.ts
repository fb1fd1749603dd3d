/** Every moment of a step belongs to one phase; to look changes no bit. */
import t from 'tap';
import { wasm } from '../../shared/kernels/webassembly.ts';
import { controlBytes, type MemoryPlan } from '../../shared/model/memory-plan.ts';
import { newSpan } from '../../shared/reduction/span.ts';
import { trainStep } from '../../shared/step.ts';
import { type Phase, phases } from '../../shared/timeline.ts';
import { Control } from '../../worker/control.ts';
import { PhaseClock } from '../../worker/phase-clock.ts';
import { addingTo, phaseSeconds } from '../../worker/profile.ts';
import type { Team } from '../../worker/team.ts';
import { knownStep } from '../helpers/known-step.ts';
import { bitsOf, syntheticDataset, train } from '../helpers/train.ts';

const source = syntheticDataset(11, 60, 40);
const recipe = {
  model: 'dense(13) batchnorm relu dense(10)',
  batchSize: 24,
  shardSize: 5,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  epochs: 2,
} as const;

t.test('the phases of a step are told apart, and add up to all of its time', (t) => {
  const step = knownStep();
  const sums = new Float64Array(phases.length);
  const clock = new PhaseClock(addingTo(sums), step.nowMs);
  const { model, group } = { model: clock.watchModel(step.model), group: clock.watchGroup(step.group) };
  const span = newSpan(16);
  step.takes(1e6)(); // before anything began
  clock.start();
  step.takes(32_768)();
  trainStep(model, span, group);
  step.takes(65_536)();
  trainStep(model, span, group);
  clock.turnTo('other');
  step.takes(1e6)();
  const expected: Record<Phase, number> = {
    gather: 2 * 1,
    forward: 2 * (2 + 128),
    loss: 2 * 2048,
    exchange: 2 * (8 + 8 + 16 + 32 + 32 + 64),
    backward: 2 * (4 + 256),
    update: 2 * (512 + 512 + 1024 + 4096),
    waiting: 2 * (3 * 8192 + 16_384 + 131_072),
    other: 32_768 + 65_536,
  };
  const found = phaseSeconds(sums);
  for (const phase of phases) t.equal(Math.round(found[phase] * 1000), expected[phase], phase);
  t.end();
});

t.test("the phases of a thread are all in shared memory, and in nobody else's words", (t) => {
  const start = 4096;
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const plan = { control: start, threads: [{}, {}] } as unknown as MemoryPlan;
  const control = new Control(memory, plan);
  const sums = control.phaseSeconds(0);
  t.equal(sums.length, phases.length);
  t.ok(sums.byteOffset + sums.byteLength <= start + 4 * control.own(1, 0), 'they end before the next thread');
  t.equal(4 * control.own(2, 0), controlBytes(2), 'and there is room for all threads');
  t.end();
});

t.test('a step that was called off leaves its time where it was, and the next starts anew', (t) => {
  const step = knownStep();
  const sums = new Float64Array(phases.length);
  const clock = new PhaseClock(addingTo(sums), step.nowMs);
  const called = new Error('called off');
  const model = clock.watchModel(step.model);
  const group = clock.watchGroup({
    ...step.group,
    allGather: () => {
      step.takes(3)();
      throw called;
    },
  });
  clock.start();
  t.throws(() => trainStep(model, newSpan(16), group), called);
  clock.turnTo('other');
  step.takes(1e6)();
  clock.start();
  clock.turnTo('other');
  t.equal(Math.round(sums[phases.indexOf('waiting')] * 1000), 3 * 8192 + 131_072 + 3);
  t.equal(sums[phases.indexOf('other')], 0);
  t.end();
});

for (const batchNorm of ['sync', 'ghost'] as const) {
  t.test(
    `${batchNorm}: the bits with a profile are those without, and no thread has more time than there was`,
    async (t) => {
      let team: Team | undefined;
      const plain = await train({ ...recipe, batchNorm }, { source, threads: 2 });
      const beginMs = performance.now();
      const profiled = await train(
        { ...recipe, batchNorm },
        {
          source,
          threads: 2,
          profile: true,
          wrapTeam: (wrapped) => {
            team = wrapped;
            return wrapped;
          },
        },
      );
      const elapsed = (performance.now() - beginMs) / 1000;
      t.strictSame(bitsOf(profiled), bitsOf(plain));
      const threads = team?.profile() ?? [];
      t.equal(threads.length, 2);
      for (const [rank, seconds] of threads.entries()) {
        t.ok(
          phases.every((phase) => seconds[phase] >= 0),
          `thread ${rank}: ${JSON.stringify(seconds)}`,
        );
        // The clock of a thread starts and stops within the training, and each moment is counted once.
        const sum = phases.reduce((total, phase) => total + seconds[phase], 0);
        t.ok(sum > 0 && sum <= elapsed, `thread ${rank}: ${sum} of ${elapsed} s`);
        const used = phases.filter((phase) => seconds[phase] > 0);
        const expected = phases.filter((phase) => phase !== 'exchange' || batchNorm === 'sync');
        t.same(used, expected, 'every phase that there is took time');
      }
    },
  );
}

t.test('without a profile nothing is measured', async (t) => {
  let team: Team | undefined;
  await train(recipe, {
    source,
    wrapTeam: (wrapped) => {
      team = wrapped;
      return wrapped;
    },
  });
  t.same(team?.profile(), [Object.fromEntries(phases.map((phase) => [phase, 0]))]);
});
