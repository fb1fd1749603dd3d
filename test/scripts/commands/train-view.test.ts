/** What a person sees of a training, with and without a terminal. */
import t from 'tap';
import type { LiveRun } from '../../../coordinator/live-run.ts';
import type { Run } from '../../../coordinator/prepare.ts';
import type { EpochReport, Position } from '../../../coordinator/reports.ts';
import { clock, Screen } from '../../../scripts/commands/screen.ts';
import type { NextSteps } from '../../../scripts/commands/summary-view.ts';
import { TrainView } from '../../../scripts/commands/train-view.ts';
import { publishedDigests } from '../../../scripts/recipes/digests.ts';
import type { Summary } from '../../../scripts/summary.ts';
import { FakeTerminal } from '../../helpers/terminal.ts';
import { startTraining, syntheticDataset } from '../../helpers/train.ts';

const report: EpochReport = {
  epoch: 1,
  steps: 4,
  loss: 1.5,
  change: null,
  testLoss: 1,
  testAccuracy: 0.5,
  seconds: 2,
  samplesPerSecond: 12_345.6,
};
const position: Position = { epoch: 1, step: 2, first: 0, seconds: 1, loss: 0.25 };

async function tinyRun(): Promise<Run> {
  const fields = { model: 'dense(10)', batchSize: 16, epochs: 3 };
  const { run, team } = await startTraining(fields, { source: syntheticDataset(1, 60, 10), threads: 2 });
  await team.close();
  return run;
}

const summary: Summary = {
  recipeId: '0'.repeat(64),
  weightsDigest: '1'.repeat(64),
  stateDigest: '2'.repeat(64),
  chain: '3'.repeat(64),
  epochs: 3,
  steps: 12,
  trainLoss: [1.5, 1, 0.5],
  testLoss: 0.75,
  testAccuracy: 0.5,
  bestEpoch: null,
  seconds: 3.25,
  threads: 2,
  workers: 0,
  kernels: 'wasm',
  samplesPerSecond: 1000,
  work: [
    { name: 'thread 0', threads: 1, shards: 30, seconds: 1 },
    { name: 'thread 1', threads: 1, shards: 10, seconds: 1 },
  ],
  resumedAtStep: null,
  stepsComputed: 12,
  shardsRecomputed: 0,
  deaths: 0,
  joins: 0,
  stoppedBy: null,
};
const next: NextSteps = {
  look: [['evaluate', 'r']],
  again: ['train', '--model', 'dense(10)', '--threads', '1'],
  goOn: ['train', '--resume', 'r'],
};

/** A run at one moment, without workers. */
function liveAt(run: Run, position: Position): LiveRun {
  return {
    run,
    activity: () => 'training',
    position: () => position,
    committed: () => position.step,
    workers: () => [],
    flat: () => null,
    watchSteps: () => () => {},
  };
}

function finished(changes: Partial<Summary>, models = ['r/model.safetensors'], steps = next): string[] {
  const terminal = new FakeTerminal(80, false);
  new TrainView(new Screen(terminal.stream, false)).finish({ ...summary, ...changes }, models, steps);
  t.notMatch(terminal.lines.join(''), /\p{Cc}/u, 'no control characters without a terminal');
  return terminal.lines;
}

t.test('on a terminal a line moves, epochs go above it, and in the end it is gone', async (t) => {
  const run = await tinyRun();
  for (const columns of [80, 40]) {
    const terminal = new FakeTerminal(columns);
    const view = new TrainView(new Screen(terminal.stream, false));
    view.start(run, liveAt(run, position), 'custom');
    while (!terminal.lines.at(-1)?.startsWith('epoch 1/3')) await terminal.written();
    const moving = 'epoch 1/3 ██████░░░░░░ step 2/4 loss 0.2500 32 samples/s ';
    t.ok(moving.startsWith(terminal.lines.at(-1)?.slice(0, moving.length) ?? '-'), terminal.lines.at(-1));
    t.ok((terminal.lines.at(-1)?.length ?? 99) <= columns - 3, 'with room for ^C');
    view.epoch(report);
    t.match(
      terminal.lines.at(-2),
      /^epoch 1\/3 {2}loss 1\.5000 {11}test 50\.00 % {4}2\.0 s {3}12,346 samples\/s$/,
    );
    t.match(terminal.lines.at(-1), /^epoch 1\/3 █/, 'the line that moves is below it');
    view.stop();
    t.equal(terminal.lines.at(-1), '', 'it is gone');
    t.match(
      terminal.lines[0],
      /^Lockstep \d+\.\d+\.\d+: recipe custom [0-9a-f]{8}, 60 samples, 4 steps an epoch$/,
    );
    t.match(terminal.lines[1], '2 threads, wasm kernels');
  }
});

t.test('the same without a terminal, on a dumb one, and when told to be quiet', async (t) => {
  const run = await tinyRun();
  const shown = (terminal: FakeTerminal, quiet: boolean) => {
    const view = new TrainView(new Screen(terminal.stream, quiet));
    view.start(run, liveAt(run, position), 'custom');
    view.epoch({ ...report, epoch: 2, change: -0.25 });
    view.stop();
    return terminal.raw;
  };
  const plain = shown(new FakeTerminal(80, false), false);
  t.notMatch(plain.replaceAll('\n', ''), /\p{Cc}/u);
  t.match(plain, 'epoch 2/3  loss 1.5000  −0.2500  test');
  t.equal(shown(new FakeTerminal(80), true), '');
  const term = process.env.TERM;
  t.teardown(() => {
    process.env.TERM = term ?? '';
  });
  process.env.TERM = 'dumb';
  t.equal(shown(new FakeTerminal(80), false), plain, 'TERM=dumb is like no terminal');
});

t.test('the head of a coordinator fits 80 columns, whatever its kernels say for themselves', async (t) => {
  const run = await tinyRun();
  const head = (set: Run['kernels']['set'], reason: string) => {
    const terminal = new FakeTerminal(80, false);
    const kernels = { ...run.kernels, set, reason };
    const view = new TrainView(new Screen(terminal.stream, false));
    view.start({ ...run, kernels }, liveAt(run, position), 'custom', 0);
    view.stop();
    return terminal.lines.slice(1, -2);
  };
  t.same(head('native:avx512', 'the fastest that this processor has'), [
    'no threads here, native:avx512 kernels: the fastest that this processor has',
  ]);
  const long = head(
    'wasm',
    'native kernels are not built here: there is no compiler, and none was installed',
  );
  t.equal(long.length, 2);
  t.ok(long.every((line) => line.length <= 80));
});

t.test('with workers it says what travelled', (t) => {
  const worker = {
    ...{ name: 'mara', threads: 1, shards: 20, seconds: 1, steps: 10, gradients: 10, gradientBytes: 669_376 },
    ...{ bytesUp: 1e7, bytesDown: 2e7, bytesUpPerStep: 672_945, bytesDownPerStep: 672_965 },
  };
  const lines = finished({ work: [worker] });
  t.ok(lines.includes('up              672.9 kB a step and worker: 1.00 gradients, 0.53 % besides'));
  t.ok(lines.includes('down            673.0 kB a step and worker: the total, 0.54 % besides'));
  t.notOk(
    finished({}).some((line) => /^(up|down) /.test(line)),
    'and nothing of it without',
  );
  t.end();
});

t.test('the result: accuracy, time, who computed what, the digest, and what to do next', (t) => {
  t.same(finished({}), [
    '',
    'test accuracy   50.00 %, loss 0.7500',
    'time            3.3 s, 1,000 samples/s',
    'shards          75.0 % thread 0, 25.0 % thread 1',
    `weights digest  ${'1'.repeat(64)}`,
    'model           r/model.safetensors',
    '',
    'Look at it:',
    '  npm exec --no -- lockstep evaluate r',
    'The same bits on one thread:',
    '  npm exec --no -- lockstep train --model "dense(10)" --threads 1',
    '',
  ]);
  const work = Array.from({ length: 8 }, (_, i) => ({
    name: `thread ${i}`,
    threads: 1,
    shards: 10 + i,
    seconds: 1,
  }));
  t.ok(finished({ work }).includes('shards          9.3 % to 15.7 % by each of 8 threads'));
  t.ok(
    finished({ deaths: 1, shardsRecomputed: 8 }).includes(
      'lost            1 thread, 8 shards computed again',
    ),
  );
  const late = finished({ workers: 2, shardsRecomputed: 4 });
  t.ok(late.includes('computed again  4 shards, of workers that left or were late'));
  t.notOk(
    late.some((line) => line.startsWith('lost')),
    'nobody was',
  );
  const stopped = finished({ stoppedBy: 'signal', steps: 1234 });
  t.ok(stopped.includes('stopped after   step 1,234'));
  t.notOk(
    stopped.some((line) => line.startsWith('The same bits')),
    'nobody can stop there again',
  );
  t.equal(stopped.at(-2), 'to go on: npm exec --no -- lockstep train --resume r');
  const initial = finished({ steps: 0, samplesPerSecond: null }, [], {
    look: [],
    again: ['train', '--threads', '2'],
    goOn: null,
  });
  t.ok(initial.includes('time            3.3 s'));
  t.ok(initial.includes('The same bits on two threads:'));
  t.end();
});

t.test('a run that stopped early is done, and says whose weights it has', (t) => {
  const lines = finished({ stoppedBy: 'earlyStopping', epochs: 7, bestEpoch: 4 });
  t.ok(lines.includes('stopped early   after epoch 7'));
  t.ok(lines.includes('best weights    those of epoch 4'));
  t.ok(lines.includes('The same bits on one thread:'));
  t.notOk(lines.some((line) => line.startsWith('to go on')));
  t.end();
});

t.test('a run that goes on says from where, and its speed is that of what it does', async (t) => {
  const run = await tinyRun();
  const terminal = new FakeTerminal(80);
  const view = new TrainView(new Screen(terminal.stream, false));
  const note = 'resumed at step 5 (epoch 2)';
  const at: Position = { epoch: 2, step: 3, first: 1, seconds: 2, loss: 0.5 };
  view.start({ ...run, committed: 5 }, liveAt(run, at), 'custom', 1, [note]);
  while (!terminal.lines.at(-1)?.startsWith('epoch 2/3')) await terminal.written();
  t.match(terminal.lines.at(-1), ' step 3/4 loss 0.5000 16 samples/s', '32 samples in two seconds');
  t.equal(terminal.lines[2], note);
  view.stop();
});

t.test('command lines can be pasted into a shell', (t) => {
  const words = ['a b', "it's", '$HOME', 'sgd(lr=0.1)', '`x`', 'plain-1.5_x/y=z', '', 'back\\slash'];
  const line = finished({}, [], { look: [], again: words, goOn: null }).at(-2);
  t.equal(
    line,
    `  npm exec --no -- lockstep "a b" "it's" '$HOME' "sgd(lr=0.1)" '\`x\`' plain-1.5_x/y=z "" 'back\\slash'`,
  );
  t.end();
});

t.test('a published digest is recognised, and so is a wrong one', (t) => {
  const [{ recipeId, weightsDigest }] = publishedDigests;
  const same = finished({ recipeId, weightsDigest });
  t.ok(same.includes('                the published digest: the same bits as everywhere'));
  const other = finished({ recipeId });
  t.ok(other.includes('                NOT the published digest of this recipe:'));
  t.ok(other.includes(`                ${weightsDigest}`), 'the right one is shown');
  t.notMatch(finished({ recipeId, weightsDigest, stoppedBy: 'signal' }).join(), 'published');
  t.end();
});

t.test('times', (t) => {
  t.same([0, 59.4, 60, 3599.6, 7384, -1].map(clock), ['0:00', '0:59', '1:00', '1:00:00', '2:03:04', '0:00']);
  t.end();
});
