/** Cutting a log back: whole lines only, events stay, and wherever it was torn it becomes what it should be. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cutLog, logLines } from '../../coordinator/log-cut.ts';
import { refusal } from '../helpers/refusal.ts';

const stepLine = (step: number) =>
  `${JSON.stringify({ epoch: Math.ceil(step / 3), step, samples: 24, loss: 1 / step, seconds: 0.001 })}\n`;
const epochLine = (epoch: number) =>
  `${JSON.stringify({ epoch, steps: 3 * epoch, loss: 1, testLoss: 1, testAccuracy: 0.5, seconds: 1 })}\n`;
const event = (name: string) => `${JSON.stringify({ event: 'died', name, step: 99, epoch: 99 })}\n`;

/** What there is to tell up to a step; an epoch's line comes behind its last step if it is over. */
function story(steps: number, isOver = true): string {
  let text = '';
  for (let step = 1; step <= steps; step++) {
    text += stepLine(step);
    if (step % 3 === 0 && (step < steps || isOver)) text += epochLine(step / 3);
  }
  return text;
}

const path = join(t.testdir(), 'log.jsonl');

function cut(text: string | Buffer, steps: number, epochs: number) {
  writeFileSync(path, text);
  const end = cutLog(path, { steps, epochs });
  return { end, text: readFileSync(path, 'utf8') };
}

t.test('a log that was cut anywhere becomes that of any step before', (t) => {
  const whole = Buffer.from(story(7));
  for (const [steps, epochs] of [
    [0, 0],
    [2, 0],
    [3, 0],
    [3, 1],
    [5, 1],
    [6, 2],
  ]) {
    const expected = story(steps, 3 * epochs === steps);
    let wrong = 0;
    for (let length = expected.length; length <= whole.length; length++) {
      const { text, end } = cut(whole.subarray(0, length), steps, epochs);
      if (text !== expected || end.steps !== steps || end.epochs !== epochs) wrong += 1;
    }
    t.equal(wrong, 0, `to step ${steps} and epoch ${epochs}, from every length`);
  }
  t.end();
});

t.test('lines are read from the end, one by one, but for one that is torn', (t) => {
  writeFileSync(path, `${story(3000)}{"epoch":`);
  const lines = story(3000).split('\n').slice(0, -1);
  t.strictSame([...logLines(path)], lines.toReversed());
  writeFileSync(path, '\u0000'.repeat(2 ** 21));
  t.match(
    refusal(() => [...logLines(path)], 'DATA'),
    /log\.jsonl": it is no log of a run; expected/,
  );
  t.end();
});

t.test('a log that ends too early is left as it is, but for a torn line, and what it lacks is told', (t) => {
  t.strictSame(cut(story(4), 6, 2), { end: { steps: 4, epochs: 1 }, text: story(4) });
  t.strictSame(cut(story(4).slice(0, -1), 6, 2), { end: { steps: 3, epochs: 1 }, text: story(3) });
  t.strictSame(cut('', 6, 2), { end: { steps: 0, epochs: 0 }, text: '' });
  t.strictSame(cut(story(3, false), 3, 1).end, { steps: 3, epochs: 0 }, 'an epoch’s line is missed, too');
  t.end();
});

t.test('events stay, in their order, whatever is cut before them', (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map(event);
  t.equal(cut(a + stepLine(1) + b + stepLine(2) + c, 1, 0).text, a + stepLine(1) + b + c);
  t.equal(cut(a + stepLine(1) + b + c, 1, 0).text, a + stepLine(1) + b + c, 'nothing to cut');
  t.equal(cut(a + stepLine(1) + b, 0, 0).text, a + b);
  t.end();
});

t.test('what is no line of a log goes, as after a crash that left zeros', (t) => {
  const zeros = '\u0000'.repeat(100_000);
  t.equal(cut(`${story(5)}${zeros}`, 5, 1).text, story(5));
  t.equal(cut(`${story(5)}${zeros}\n{}\n7\n`, 5, 1).text, story(5));
  t.throws(() => cut(story(5) + '\u0000'.repeat(2 ** 21), 5, 1), /it is no log/);
  t.end();
});

t.test('a log of many blocks is cut where it should be', (t) => {
  const whole = story(3000);
  for (const steps of [2999, 1500, 4]) t.equal(cut(whole, steps, Math.floor(steps / 3)).text, story(steps));
  t.equal(cut(whole, 0, 0).text, '');
  t.end();
});
