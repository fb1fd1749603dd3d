/** How long a worker goes on trying. */
import t from 'tap';
import { Patience } from '../../worker/patience.ts';

const limits = { connectMs: 1_000, rejoinMs: 60_000 };

t.test('until the first connection it is that of connecting', (t) => {
  const patience = new Patience(5_000, limits);
  t.equal(patience.leftMs(5_000), 1_000);
  t.equal(patience.leftMs(5_999), 1);
  t.equal(patience.leftMs(6_000), 0);
  t.equal(patience.leftMs(9_000), 0);
  t.end();
});

t.test('losses in a row are counted from the first, however often somebody answered', (t) => {
  const patience = new Patience(0, limits);
  patience.lost(10_000, 0);
  for (const nowMs of [20_000, 50_000, 69_000]) {
    patience.lost(nowMs, 0);
    t.equal(patience.leftMs(nowMs), 70_000 - nowMs);
  }
  patience.lost(70_000, 0);
  t.equal(patience.leftMs(70_000), 0);
  t.end();
});

t.test('who took part in between has all of it again, from the loss on', (t) => {
  const patience = new Patience(0, limits);
  patience.lost(10_000, 0);
  patience.tookPart();
  patience.lost(500_000, 0);
  t.equal(patience.leftMs(500_000), 60_000);
  t.end();
});

t.test('none is left where there is none to begin with', (t) => {
  const patience = new Patience(0, { connectMs: 1_000, rejoinMs: 0 });
  patience.tookPart();
  patience.lost(3_000, 0);
  t.equal(patience.leftMs(3_000), 0);
  t.end();
});

t.test('it comes back at once after taking part, and waits twice as long after each session in vain', (t) => {
  const patience = new Patience(0, limits);
  t.same(
    [1, 2, 3].map((nowMs) => patience.lost(nowMs, 0)),
    [250, 500, 1000],
  );
  patience.tookPart();
  t.same(
    [4, 5, 6].map((nowMs) => patience.lost(nowMs, 0)),
    [0, 250, 500],
  );
  t.end();
});
