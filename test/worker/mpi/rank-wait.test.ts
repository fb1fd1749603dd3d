/** Waiting for an exchange. */
import t from 'tap';
import { words } from '../../../worker/control.ts';
import { waitFor } from '../../../worker/mpi/rank-wait.ts';

function newWait(deadlineMs: number, spins = true) {
  const control = new Int32Array(new SharedArrayBuffer(1024));
  let moves = 0;
  const options = { words: control, deadlineMs, spins, alive: () => moves++ };
  return { control, options, moves: () => moves };
}

/** Is so after so many looks. */
function after(looks: number): () => boolean {
  let seen = 0;
  return () => ++seen > looks;
}

t.test('it waits until it is so, spinning or not, and shows that it moves', (t) => {
  for (const spins of [true, false]) {
    const { options, moves } = newWait(60_000, spins);
    t.equal(waitFor(after(0), options), true);
    t.equal(moves(), 0, 'at once');
    t.equal(waitFor(after(5), options), true);
    t.ok(moves() > 0);
  }
  t.end();
});

t.test('it gives up at the deadline', (t) => {
  for (const spins of [true, false]) {
    const startMs = performance.now();
    t.equal(
      waitFor(() => false, newWait(20, spins).options),
      false,
    );
    t.ok(performance.now() - startMs >= 20);
  }
  t.end();
});

t.test('it is called off', (t) => {
  const { control, options } = newWait(60_000);
  Atomics.store(control, words.abort, 1);
  t.throws(() => waitFor(() => false, options), { message: 'the step was called off' });
  t.end();
});

t.test('who was sent SIGTERM does not wait for the deadline; who was asked otherwise does', (t) => {
  const { control, options } = newWait(60_000);
  Atomics.store(control, words.vote, 143);
  t.equal(
    waitFor(() => false, options),
    false,
  );
  const asked = newWait(800);
  Atomics.store(asked.control, words.vote, 140);
  const startMs = performance.now();
  t.equal(
    waitFor(() => false, asked.options),
    false,
  );
  t.ok(performance.now() - startMs >= 800);
  t.end();
});
