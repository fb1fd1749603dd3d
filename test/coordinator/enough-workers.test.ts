import t from 'tap';
import { EnoughWorkers } from '../../coordinator/enough-workers.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

function start() {
  const clock = new ManualClock();
  const told: string[] = [];
  const wait = new EnoughWorkers({
    clock,
    timeoutMs: 3000,
    waiting: (workers, needed) => told.push(`waiting ${workers} of ${needed}`),
    enough: (workers) => told.push(`enough ${workers}`),
    failed: (reason) => told.push(reason),
  });
  return { clock, told, wait };
}

t.test('nothing is said where there are enough from the start', (t) => {
  const { clock, told, wait } = start();
  t.equal(wait.check(2, 2), true);
  clock.advance(10_000);
  t.same(told, []);
  t.end();
});

t.test('a wait is said once, and its end', (t) => {
  const { clock, told, wait } = start();
  t.equal(wait.check(0, 2), false);
  t.equal(wait.check(1, 2), false);
  clock.advance(2999);
  t.equal(wait.check(2, 2), true);
  clock.advance(10_000);
  t.same(told, ['waiting 0 of 2', 'enough 2']);
  t.end();
});

t.test('a wait that takes too long fails with what was there at last', (t) => {
  const { clock, told, wait } = start();
  wait.check(0, 2);
  wait.check(1, 2);
  clock.advance(3000);
  t.same(told, [
    'waiting 0 of 2',
    'waited 3 s for workers: 1 of 2 are there; start more of them, or wait longer with --worker-timeout',
  ]);
  t.end();
});
