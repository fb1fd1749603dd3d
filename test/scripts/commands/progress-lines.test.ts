import t from 'tap';
import { type Progress, progressLines } from '../../../scripts/commands/progress-lines.ts';
import { columnsOf } from '../../../scripts/text-width.ts';

const progress: Progress = {
  ...{ epoch: 3, epochs: 10, step: 57, steps: 469, done: 0.25, loss: 0.0118 },
  samplesPerSecond: 85_638,
  secondsLeft: 12,
  isEvaluating: false,
  losses: (most) => [8, 4, 2, 1, 1].slice(0, most),
};
const lines = (changes: Partial<Progress>, columns = 77) =>
  progressLines({ ...progress, ...changes }, columns, (_, text) => text);

t.test('one line and the loss where there is room, one more where there is not', (t) => {
  t.same(lines({}), [
    'epoch  3/10  ████░░░░░░░░░░░░░░░  step  57/469   85,638 samples/s   0:12 left',
    'loss 0.0118  █▆▃▁▁',
  ]);
  t.same(lines({}, 37), [
    'epoch  3/10  ███░░░░░░░░░   0:12 left',
    'step  57/469   85,638 samples/s',
    'loss 0.0118  █▆▃▁▁',
  ]);
  t.end();
});

t.test('the bar stays where it is whatever the numbers are', (t) => {
  const placeOf = (changes: Partial<Progress>) => {
    const [line] = lines(changes);
    return [line.search(/[█░]/), line.search(/[█░] /)];
  };
  const place = placeOf({});
  for (const changes of [
    { epoch: 10, step: 469 },
    { step: 0, secondsLeft: null, samplesPerSecond: 0 },
    { samplesPerSecond: 185_638, secondsLeft: 720 },
    { isEvaluating: true },
    { done: 0 },
    { done: 1 },
  ]) {
    t.same(placeOf(changes), place, JSON.stringify(changes));
  }
  t.end();
});

t.test('at any width no line is wider, whatever is in it', (t) => {
  const long: Partial<Progress> = {
    ...{ epoch: 1000, epochs: 1000, step: 60_000, steps: 60_000, samplesPerSecond: 12_345_678 },
    ...{ secondsLeft: 400_000, losses: (most) => Array.from({ length: most }, (_, i) => 1 + i) },
  };
  for (const changes of [{}, long, { loss: null }, { isEvaluating: true }]) {
    for (const columns of [37, 57, 77, 97, 200]) {
      for (const line of lines(changes, columns)) {
        t.ok(columnsOf(line) <= Math.min(columns, 97), `${columns}: ${line}`);
      }
    }
  }
  t.end();
});

t.test('before the first step there is no loss; while it evaluates that is said', (t) => {
  t.same(lines({ loss: null, losses: () => [], step: 0, done: 0, secondsLeft: null, samplesPerSecond: 0 }), [
    'epoch  3/10  ░░░░░░░░░░░░░░░░░░░  step   0/469        0 samples/s',
  ]);
  t.match(lines({ isEvaluating: true })[0], /░ {2}evaluating {5}85,638 samples\/s/);
  t.end();
});
