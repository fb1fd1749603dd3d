/** Event files, read by a reader of their own. */
import { openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { EpochReport } from '../../../coordinator/reports.ts';
import { checkEventFolder, EventFile, type ShownRun } from '../../../scripts/tensorboard/event-file.ts';
import type { LockstepError } from '../../../shared/errors.ts';
import { restoreSnapshot } from '../../../shared/model/snapshot.ts';
import { canonicalJson } from '../../../shared/recipe/recipe.ts';
import { everythingBelow } from '../../helpers/cli.ts';
import { readEvents, shownOf } from '../../helpers/event-files.ts';
import { hasFile } from '../../helpers/platform.ts';
import { refusal } from '../../helpers/refusal.ts';
import { sampleRun } from '../../helpers/run-states.ts';

const unexpected = (error: LockstepError) => {
  throw error;
};

/** A run of three statistics in one batch normalisation. */
function shownRun(committed: number, model = 'dense(3) batchnorm dense(10)'): ShownRun & { means: number[] } {
  const { architecture, recipe, state } = sampleRun({ model });
  const means = [1, 2, 4];
  const tensors = new Map(state.snapshot.tensors);
  if (tensors.has('1.running_mean')) tensors.set('1.running_mean', Float32Array.from(means));
  if (tensors.has('1.running_var')) tensors.set('1.running_var', Float32Array.of(7, 7, 7));
  const flat = new Float32Array(architecture.flatSize);
  restoreSnapshot(architecture, { ...state.snapshot, tensors }, flat);
  return { run: { architecture, recipe, committed }, flat: () => ({ steps: committed, flat }), means };
}

const stepOf = (step: number) => ({
  epoch: 1,
  step,
  samples: 64,
  loss: 1 / step,
  accuracy: 0.75,
  seconds: 0.5,
  digest: '',
});
const epochOf = (steps: number): EpochReport => ({
  epoch: 1,
  steps,
  loss: 0.5,
  change: null,
  testLoss: 0.25,
  testAccuracy: 0.875,
  seconds: 1,
  samplesPerSecond: 64,
});

/** Milliseconds since 1970 that go on by a second with every look. */
function secondHand(startMs = 1_700_000_000_000) {
  let ms = startMs - 1000;
  return () => {
    ms += 1000;
    return ms;
  };
}

t.test('version, start and recipe come first; then curves, and what the test set says', (t) => {
  const folder = join(t.testdir(), 'new', 'tb');
  const live = shownRun(0);
  const file = new EventFile({ folder, live, alarm: unexpected, nowMs: secondHand() });
  file.steps([stepOf(1), stepOf(2)]);
  file.steps([stepOf(3)]);
  file.epoch(epochOf(3));
  file.close();
  t.notOk(file.failed);
  const [name, ...others] = readdirSync(folder);
  t.same(others, []);
  t.match(name, /^events\.out\.tfevents\.17000000\d\d\.[\w.-]+\.\d+\.0$/);
  const events = readEvents(join(folder, name));
  t.match(events[0], { version: 'brain.Event:2', step: 0, isStart: false, values: [] });
  t.match(events[1], { version: null, step: 1, isStart: true, values: [] });
  const [recipe] = events[2].values;
  t.match(recipe, { tag: 'recipe', plugin: 'text', dataClass: 2, shape: [] });
  t.match(
    String(recipe.content),
    /^ {4}\{\n {6}"/,
    'Markdown shows lines that are indented by four as they are',
  );
  t.equal(canonicalJson(live.run.recipe), JSON.stringify(JSON.parse(String(recipe.content))));
  const scalars = events.slice(3).flatMap(({ step, values }) => values.map((value) => ({ step, ...value })));
  const scalar = { plugin: 'scalars', dataClass: 1, shape: [] };
  t.match(
    scalars.filter(({ plugin }) => plugin === 'scalars'),
    [
      { ...scalar, tag: 'train/loss', step: 2, content: [0.75] },
      { ...scalar, tag: 'train/accuracy', step: 2, content: [0.75] },
      { ...scalar, tag: 'train/samples_per_second', step: 2, content: [128] },
      { ...scalar, tag: 'train/loss', step: 3, content: [Math.fround(1 / 3)] },
      { ...scalar, tag: 'train/accuracy', step: 3, content: [0.75] },
      { ...scalar, tag: 'train/samples_per_second', step: 3, content: [128] },
      { ...scalar, tag: 'epoch/test_loss', step: 3, content: [0.25] },
      { ...scalar, tag: 'epoch/test_accuracy', step: 3, content: [0.875] },
    ],
  );
  const times = events.map(({ wallSeconds }) => wallSeconds);
  t.same(
    times,
    times.toSorted((a, b) => a - b),
  );
  t.ok(times[0] > 1_700_000_000 && times[0] < 1_700_000_100, 'in seconds');
  t.end();
});

t.test('running statistics are histograms of every epoch', (t) => {
  const folder = t.testdir();
  const live = shownRun(0);
  const file = new EventFile({ folder, live, alarm: unexpected, nowMs: secondHand() });
  file.epoch(epochOf(5));
  file.close();
  const [{ values }] = readEvents(join(folder, readdirSync(folder)[0])).slice(-1);
  const [mean, variance] = values.slice(-2);
  t.match(mean, { tag: 'batch_norm/1.running_mean', plugin: 'histograms', dataClass: 2, shape: [30, 3] });
  const rows = Array.from({ length: 30 }, (_, i) => (mean.content as number[]).slice(3 * i, 3 * i + 3));
  t.equal(rows[0][0], 1, 'from the least');
  t.equal(rows[29][1], 4, 'to the greatest');
  for (const [i, [left]] of rows.entries()) if (i > 0) t.equal(left, rows[i - 1][1], 'without a gap');
  const counted = rows.flatMap(([left, right, count]) => (count > 0 ? [{ left, right, count }] : []));
  t.same(
    counted.map(({ count }) => count),
    [1, 1, 1],
  );
  for (const [i, value] of live.means.entries()) {
    t.ok(counted[i].left <= value && value <= counted[i].right, `${value} is where it belongs`);
  }
  t.match(
    variance,
    { tag: 'batch_norm/1.running_var', shape: [1, 3], content: [6.5, 7.5, 3] },
    'all of one size',
  );
  t.end();
});

t.test('a model without running statistics has none, and neither has a run that cannot be copied', (t) => {
  const runs = [shownRun(0, 'dense(10)'), { ...shownRun(0), flat: () => null }];
  for (const [i, live] of runs.entries()) {
    const folder = join(t.testdirName, `${i}`);
    const file = new EventFile({ folder, live, alarm: unexpected, nowMs: secondHand() });
    file.epoch(epochOf(5));
    file.close();
    t.same([...shownOf(folder).keys()], ['recipe', 'epoch/test_loss', 'epoch/test_accuracy']);
  }
  t.end();
});

t.test('a run that goes on has a file beside the old one, which replaces the steps that come again', (t) => {
  const folder = t.testdir();
  const now = secondHand();
  const first = new EventFile({ folder, live: shownRun(0), alarm: unexpected, nowMs: now });
  for (let step = 1; step <= 9; step++) first.steps([stepOf(step)]);
  // It is killed here: nothing is closed.
  const second = new EventFile({ folder, live: shownRun(6), alarm: unexpected, nowMs: now });
  for (let step = 7; step <= 12; step++) second.steps([{ ...stepOf(step), loss: 100 + step }]);
  second.epoch(epochOf(12));
  second.close();
  first.close();
  t.equal(readdirSync(folder).length, 2);
  t.same(
    shownOf(folder)
      .get('train/loss')
      ?.map(({ step, content }) => [step, ...content]),
    [1, 2, 3, 4, 5, 6]
      .map((step) => [step, Math.fround(1 / step)])
      .concat([7, 8, 9, 10, 11, 12].map((step) => [step, 100 + step])),
  );
  t.end();
});

t.test('two files of one second are two files', (t) => {
  const folder = t.testdir();
  const at = () => 1_700_000_000_123;
  for (const _ of [0, 1]) new EventFile({ folder, live: shownRun(0), alarm: unexpected, nowMs: at }).close();
  t.same(
    readdirSync(folder).map((name) => name.replace(/^.*\.(\d+)$/, '$1')),
    ['0', '1'],
  );
  t.end();
});

t.test('a folder that cannot be written to is refused beforehand, and nothing is left of the try', (t) => {
  const cwd = t.testdir({ file: '' });
  checkEventFolder(join(cwd, 'a', 'b'));
  t.same(everythingBelow(cwd), ['file']);
  const message = refusal(() => checkEventFolder(join(cwd, 'file')), 'OUTPUT');
  t.match(message, /^cannot write ".*file.events\.out\.tfevents\.[^"]*" \(E[A-Z]+: /);
  t.end();
});

t.test('a file that cannot be written any more gives one alarm and is no exception', (t) => {
  if (!hasFile(t, '/dev/full')) {
    t.end();
    return;
  }
  const folder = t.testdir();
  const alarms: LockstepError[] = [];
  const file = new EventFile({
    folder,
    live: shownRun(0),
    alarm: (error) => alarms.push(error),
    nowMs: secondHand(),
    open: () => openSync('/dev/full', 'w'),
  });
  for (let step = 1; step < 5; step++) file.steps([stepOf(step)]);
  file.epoch(epochOf(4));
  file.close();
  t.ok(file.failed);
  t.equal(alarms.length, 1);
  t.match(alarms[0], {
    code: 'OUTPUT',
    message: /^cannot write the event file .* \(ENOSPC: .*; the run goes on without/,
  });
  t.end();
});
