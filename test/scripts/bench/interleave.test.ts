/** Turns and medians, with sides that only say what they are asked. */
import t from 'tap';
import { interleave, median, type Reading, rotated, spread } from '../../../scripts/bench/interleave.ts';

/** Sides that note their turns; side i trains i + 1 samples in the first second, one more in each turn after that. */
function notedSides(count: number) {
  const turns: string[] = [];
  const sides = Array.from({ length: count }, (_, i) => {
    let turn = 0;
    return {
      run: async (seconds: number): Promise<Reading> => {
        turns.push(`${i} ${seconds}`);
        return { samples: (i + 1 + turn++) * 2, seconds: 2 };
      },
    };
  });
  return { turns, sides };
}

t.test('every round begins with the next side, and the first round does not count', async (t) => {
  const { turns, sides } = notedSides(3);
  const told: string[] = [];
  const onTurn = (done: number, all: number) => told.push(`${done}/${all}`);
  const speeds = await interleave(sides, { rounds: 3, seconds: 0.5, onTurn });
  const order = turns.map((turn) => turn[0]).join('');
  t.equal(order, '012120201012');
  t.ok(
    turns.slice(0, 3).every((turn) => turn.endsWith(' 2')),
    'a longer one to warm up',
  );
  t.ok(turns.slice(3).every((turn) => turn.endsWith(' 0.5')));
  t.same(speeds, [
    [2, 3, 4],
    [3, 4, 5],
    [4, 5, 6],
  ]);
  t.equal(told.length, 12);
  t.match([told[0], told[11]], ['0/12', '11/12']);
});

t.test('a signal ends it between two turns, with its reason', async (t) => {
  const { turns, sides } = notedSides(2);
  const controller = new AbortController();
  const reason = new Error('enough');
  const onTurn = (done: number) => {
    if (done === 3) controller.abort(reason);
  };
  await t.rejects(interleave(sides, { rounds: 5, seconds: 1, signal: controller.signal, onTurn }), reason);
  t.equal(turns.length, 4, 'the turn that was begun is ended');
});

t.test('what a side throws is thrown on', async (t) => {
  const broken = { run: () => Promise.reject(new Error('broken')) };
  await t.rejects(interleave([broken], { rounds: 1, seconds: 1 }), /broken/);
});

t.test('rotated', (t) => {
  t.same(rotated([1, 2, 3], 0), [1, 2, 3]);
  t.same(rotated([1, 2, 3], 2), [3, 1, 2]);
  t.same(rotated([1, 2, 3], 7), [2, 3, 1]);
  t.same(rotated([], 7), []);
  t.end();
});

t.test('median and spread', (t) => {
  t.equal(median([5]), 5);
  t.equal(median([9, 1, 5]), 5);
  t.equal(median([10, 2, 1, 4]), 3, 'the mean of the two in the middle');
  t.equal(spread([5]), 0);
  t.equal(spread([8, 10, 14]), 0.3);
  const values = [3, 1, 2];
  median(values);
  t.same(values, [3, 1, 2], 'the values stay as they are');
  t.end();
});
