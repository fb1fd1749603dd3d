import t from 'tap';
import { Delay } from '../../coordinator/delay.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

function begin() {
  const clock = new ManualClock();
  const delay = new Delay(clock);
  const answer = (ms: number) => {
    const number = delay.ask();
    clock.advance(ms);
    delay.answered(number);
  };
  return { clock, delay, answer };
}

t.test('it is the median of the last five answers', (t) => {
  const { delay, answer } = begin();
  t.equal(delay.ms, null);
  answer(7);
  t.equal(delay.ms, 7);
  for (const ms of [1, 900, 2, 3]) answer(ms);
  t.equal(delay.ms, 3);
  for (const ms of [50, 60, 70]) answer(ms);
  t.equal(delay.ms, 50);
  t.end();
});

t.test('only the answer to the last question counts, and once', (t) => {
  const { clock, delay } = begin();
  const first = delay.ask();
  clock.advance(2000);
  const second = delay.ask();
  clock.advance(5);
  delay.answered(first);
  t.equal(delay.ms, null, 'the first was given up');
  delay.answered(second);
  t.equal(delay.ms, 5);
  clock.advance(100);
  delay.answered(second);
  delay.answered(12_345);
  t.equal(delay.ms, 5);
  t.end();
});
