import { test } from 'tap';
import { Rates } from '../../coordinator/rates.ts';

/** Observes a count that grows by so much, so often. */
function grow(rates: Rates, from: number, toMs: number, everyMs: number, by: number): number {
  let samples = from;
  for (let ms = 0; ms <= toMs; ms += everyMs) {
    rates.observe('mara', ms, samples);
    samples += by;
  }
  return samples;
}

test('a rate is the growth of the window by its time', async (t) => {
  const rates = new Rates(5_000);
  t.equal(rates.perSecond('mara', 0), 0, 'nobody is known');
  rates.observe('mara', 0, 0);
  t.equal(rates.perSecond('mara', 100), 0, 'one count is no growth');
  grow(rates, 0, 20_000, 100, 100);
  t.equal(Math.round(rates.perSecond('mara', 20_000)), 1000);
});

test('what was before the window is forgotten', async (t) => {
  const rates = new Rates(1_000);
  grow(rates, 0, 10_000, 100, 1);
  rates.observe('mara', 10_100, 1_000);
  for (let ms = 10_200; ms <= 11_300; ms += 100) rates.observe('mara', ms, 1_000 + (ms - 10_100));
  t.ok(Math.abs(rates.perSecond('mara', 11_300) - 1000) < 1e-6, `${rates.perSecond('mara', 11_300)}`);
});

test('long steps do not make the rate jump between them', async (t) => {
  const rates = new Rates(5_000);
  const seen = new Set<number>();
  for (let ms = 0; ms <= 30_000; ms += 100) {
    rates.observe('mara', ms, Math.floor(ms / 2_000) * 512);
    if (ms > 8_000) seen.add(Math.round(rates.perSecond('mara', ms)));
  }
  t.strictSame([...seen], [256]);
});

test('a step that is longer than the window still has a rate', async (t) => {
  const rates = new Rates(1_000);
  for (let ms = 0; ms <= 30_000; ms += 100) rates.observe('mara', ms, Math.floor(ms / 4_000) * 400);
  t.equal(Math.round(rates.perSecond('mara', 30_000)), 100);
});

test('the rate of one that stopped falls to nothing', async (t) => {
  const rates = new Rates(5_000);
  grow(rates, 0, 10_000, 100, 100);
  const after = (ms: number) => Math.round(rates.perSecond('mara', 10_000 + ms));
  t.equal(after(100), 1000, 'not before the next could have come');
  t.equal(after(5_100), 500);
  t.equal(after(5_200), 0);
});

test('a count that is smaller begins anew', async (t) => {
  const rates = new Rates();
  grow(rates, 0, 10_000, 100, 100);
  rates.observe('mara', 10_100, 0);
  t.equal(rates.perSecond('mara', 10_100), 0);
  rates.observe('mara', 10_200, 50);
  t.equal(Math.round(rates.perSecond('mara', 10_200)), 500);
});

test('those who are gone are forgotten', async (t) => {
  const rates = new Rates();
  grow(rates, 0, 1_000, 100, 100);
  rates.forget(['otto']);
  t.equal(rates.perSecond('mara', 1_000), 0);
});
