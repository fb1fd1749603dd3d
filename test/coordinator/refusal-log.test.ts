import t from 'tap';
import { RefusalLog } from '../../coordinator/refusal-log.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

t.test('ten lines a second are written, the rest is counted', (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new RefusalLog(clock, (line) => lines.push(line));
  for (let i = 0; i < 1_000; i++) log.write(`${i}`);
  t.same(lines, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  clock.advance(999);
  t.equal(lines.length, 10);
  clock.advance(1);
  t.equal(lines.at(-1), '990 more refused within a second');
  log.write('later');
  t.equal(lines.at(-1), 'later');
  clock.advance(1_000);
  t.equal(lines.length, 12, 'nothing was left out, nothing is said');
  t.equal(clock.waiting, 0);
  t.end();
});

t.test('whoever ends the log is told the count at once, and no timer stays', (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new RefusalLog(clock, (line) => lines.push(line));
  for (let i = 0; i < 12; i++) log.write(`${i}`);
  log.flush();
  t.equal(lines.at(-1), '2 more refused within a second');
  t.equal(clock.waiting, 0);
  log.flush();
  t.equal(lines.length, 11);
  t.end();
});
