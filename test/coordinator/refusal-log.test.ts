import t from 'tap';
import { RefusalLog } from '../../coordinator/refusal-log.ts';
import { mostRefusalLines } from '../../shared/wire/limits.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

t.test(`${mostRefusalLines} lines a second are written, the rest is counted`, (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new RefusalLog(clock, (line) => lines.push(line));
  for (let i = 0; i < 1_000; i++) log.write(`${i}`);
  t.same(
    lines,
    Array.from({ length: mostRefusalLines }, (_, i) => `${i}`),
  );
  clock.advance(999);
  t.equal(lines.length, mostRefusalLines);
  clock.advance(1);
  t.equal(lines.at(-1), `${1_000 - mostRefusalLines} more refused within a second`);
  log.write('later');
  t.equal(lines.at(-1), 'later');
  clock.advance(1_000);
  t.equal(lines.length, mostRefusalLines + 2, 'nothing was left out, nothing is said');
  t.equal(clock.waiting, 0);
  t.end();
});

t.test('whoever ends the log is told the count at once, and no timer stays', (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new RefusalLog(clock, (line) => lines.push(line));
  for (let i = 0; i < mostRefusalLines + 2; i++) log.write(`${i}`);
  log.flush();
  t.equal(lines.at(-1), '2 more refused within a second');
  t.equal(clock.waiting, 0);
  log.flush();
  t.equal(lines.length, mostRefusalLines + 1);
  t.end();
});
