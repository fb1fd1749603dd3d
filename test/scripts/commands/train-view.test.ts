/** What a person sees of a training, with and without a terminal. */
import t from 'tap';
import type { LiveRun, WorkerNow } from '../../../coordinator/live-run.ts';
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
  launcher: '',
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
    account: () => ({ work: [], deaths: 0, joins: 0, shardsRecomputed: 0 }),
    watchSteps: () => () => {},
    watchRate: (wanted) => wanted,
  };
}

function finished(changes: Partial<Summary>, models = ['r/model.safetensors'], steps = next): string[] {
  const terminal = new FakeTerminal(80, false);
  new TrainView(new Screen(terminal.stream, false)).finish({ ...summary, ...changes }, models, steps);
  t.notMatch(terminal.lines.join(''), /\p{Cc}/u, 'no control characters without a terminal');
  return terminal.lines;
}

t.test('on a terminal a block moves, epochs go above it, and in the end it is gone', async (t) => {
  const run = await tinyRun();
  for (const columns of [80, 40]) {
    const terminal = new FakeTerminal(columns);
    const view = new TrainView(new Screen(terminal.stream, false));
    view.prepare('reading the data of tiny');
    await terminal.until(([first]) => first === 'reading the data of tiny  0:00');
    view.start(run, liveAt(run, position), 'custom');
    view.steps(
      [2, 1].map((loss, i) => ({
        ...{ epoch: 1, step: i + 1, samples: 16, seconds: 1, accuracy: 0.5 },
        loss,
        digest: '',
      })),
    );
    await terminal.until((lines) => lines.at(-1) === 'loss 0.2500  █▁');
    const bar = terminal.lines.findIndex((line) => line.startsWith('epoch 1/3'));
    t.match(terminal.lines[bar], /^epoch 1\/3 {4}█+░+ {2}/, 'two of twelve steps');
    const shown = terminal.lines.slice(bar).join(' ');
    t.match(shown, /step 2\/4 +0 samples\/s/);
    t.match(shown, / 0:0\d left/);
    for (const line of terminal.lines.slice(bar)) t.ok(line.length <= columns - 3, `room for ^C: ${line}`);
    t.equal(terminal.lines[bar - 1], '', 'below the head');
    view.epoch(report);
    t.equal(
      terminal.lines[bar],
      columns === 80
        ? 'epoch 1/3  loss 1.5000           test 50.00 %    2.0 s   12,346 samples/s'
        : 'epoch 1/3  loss 1.5000  test 50.00 %',
    );
    await terminal.until((lines) => /^epoch 1\/3 {4}█/.test(lines[bar + 1])); // the block is below it
    view.stop();
    t.equal(terminal.lines.length, bar + 2);
    t.equal(terminal.lines.at(-1), '', 'it is gone');
    const head = terminal.lines.slice(0, bar - 1);
    t.match(
      head.join(' '),
      /^Lockstep \d+\.\d+\.\d+: recipe custom [0-9a-f]{8}, 60 samples, 4 steps an epoch 2 threads, wasm/,
    );
    t.ok(
      head.every((line) => line.length <= columns),
      'cut between words',
    );
  }
});

t.test('what takes long before the run begins is said once without a terminal', async (t) => {
  const terminal = new FakeTerminal(80, false);
  const view = new TrainView(new Screen(terminal.stream, false), 0);
  view.prepare('reading the data of fashion-mnist');
  await terminal.written();
  view.stop();
  t.equal(terminal.raw, 'reading the data of fashion-mnist\n');
  const quick = new FakeTerminal(80, false);
  const other = new TrainView(new Screen(quick.stream, false));
  other.prepare('reading the data of fashion-mnist');
  other.stop();
  t.equal(quick.raw, '', 'and what does not is not');
});

t.test('with workers there is a line for each, and what is waited for', async (t) => {
  const run = await tinyRun();
  const worker: WorkerNow = {
    ...{
      id: 'm',
      name: 'mara',
      address: '10.0.0.7:1',
      rank: 0,
      threads: 2,
      kernels: 'wasm',
      state: 'working',
    },
    ...{ share: { lo: 0, hi: 1 }, shards: 5, seconds: 1, delayMs: 1, silentMs: 10 },
  };
  const terminal = new FakeTerminal();
  const view = new TrainView(new Screen(terminal.stream, false));
  view.start(run, { ...liveAt(run, position), workers: () => [worker] }, 'custom', 0);
  view.waitFor('waiting for 1 more worker');
  await terminal.until((lines) => lines.at(-1)?.includes('mara') === true);
  t.match(terminal.lines.at(-3), /^waiting for 1 more worker {2}0:00$/);
  view.waitFor(null);
  await terminal.until((lines) => lines.at(-3)?.startsWith('loss 0.2500') === true);
  t.match(terminal.lines.at(-1), /^ +0 {2}mara +2 +0 +0 {2}working$/);
  view.stop();
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
    launcher: '',
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

t.test('a run that goes on says from where', async (t) => {
  const run = await tinyRun();
  const terminal = new FakeTerminal(80);
  const view = new TrainView(new Screen(terminal.stream, false));
  const note = 'resumed at step 5 (epoch 2)';
  const at: Position = { epoch: 2, step: 3, first: 1, seconds: 2, loss: 0.5 };
  view.start({ ...run, committed: 5 }, { ...liveAt(run, at), committed: () => 5 }, 'custom', 1, [note]);
  await terminal.until((lines) => lines.at(-1) === 'loss 0.5000');
  t.match(
    terminal.lines.at(-2),
    /^epoch 2\/3 .* step 3\/4 .*samples\/s$/,
    'nothing was done here that a time could be told from',
  );
  t.equal(terminal.lines[2], note);
  view.stop();
});

t.test('in the end: how it learnt, what it takes for what, and the summary last', async (t) => {
  const run = await tinyRun();
  const confusion = (right: number) =>
    Array.from({ length: 10 }, (_, i) => Array.from({ length: 10 }, (_, j) => (i === j ? right : 0)));
  const shown = (changes: Partial<Summary>, epochs: number, columns: number) => {
    const terminal = new FakeTerminal(columns, false);
    const view = new TrainView(new Screen(terminal.stream, false));
    view.start(run, liveAt(run, position), 'custom');
    for (let epoch = 1; epoch <= epochs; epoch++) {
      view.evaluation({ confusion: confusion(epoch) }, 4 * epoch);
      view.epoch({ ...report, epoch, loss: 1 / epoch, testLoss: 2 / epoch });
    }
    const before = terminal.lines.length - 1;
    view.finish({ ...summary, ...changes }, [], { ...next, look: [] });
    return terminal.lines.slice(before);
  };
  for (const columns of [80, 40]) {
    const lines = shown({}, 3, columns);
    const places = ['2.0000 ┤', 'label', 'test accuracy'].map((text) =>
      lines.findIndex((line) => line.startsWith(text)),
    );
    t.ok(places[0] > 0 && places[0] < places[1] && places[1] < places[2], `in this order: ${places}`);
    t.ok(
      lines.slice(0, places[2]).every((line) => line.length <= columns),
      `within ${columns} columns`,
    );
  }
  const seven = (count: number) =>
    `    7    ${'    ·'.repeat(7)}    ${count}${'    ·'.repeat(2)}      100        ${count}`;
  t.ok(shown({}, 3, 80).includes(seven(3)));
  const best = shown({ stoppedBy: 'earlyStopping', bestEpoch: 2 }, 3, 80);
  t.ok(best.includes(seven(2)), 'of the best epoch');
  const one = shown({ epochs: 1, steps: 4 }, 1, 80);
  t.notOk(
    one.some((line) => line.includes('┤')),
    'one epoch is no curve',
  );
  t.ok(one.some((line) => line.startsWith('label')));
  t.equal(
    shown({ stoppedBy: 'signal' }, 3, 80)[1].slice(0, 13),
    'stopped after',
    'nothing of it when it was stopped',
  );
});

t.test('command lines can be pasted into a shell', (t) => {
  const words = ['a b', "it's", '$HOME', 'sgd(lr=0.1)', '`x`', 'plain-1.5_x/y=z', '', 'back\\slash'];
  const line = finished({}, [], { look: [], again: words, goOn: null, launcher: '' }).at(-2);
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
