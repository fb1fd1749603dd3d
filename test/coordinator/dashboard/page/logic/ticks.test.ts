/** What is written along an axis. */
import t from 'tap';
import {
  amountTicks,
  countTicks,
  numberTicks,
  percentTicks,
  timeTicks,
} from '../../../../../coordinator/dashboard/page/logic/ticks.ts';

t.test('values are as exact as they are apart', (t) => {
  t.same(numberTicks.write([0, 0.25, 0.5], 0.25), ['0.00', '0.25', '0.50']);
  t.same(numberTicks.write([0, 1, 2], 1), ['0', '1', '2']);
  t.same(numberTicks.write([-1e-18, 0.1 + 0.2], 0.1), ['0.0', '0.3']);
  t.same(numberTicks.write([0.000002, 0.000004], 0.000002), ['0.000002', '0.000004']);
  t.same(percentTicks.write([0.97, 0.98], 0.01), ['97 %', '98 %']);
  t.same(percentTicks.write([0.975, 0.98, 0.985], 0.005), ['97.5 %', '98.0 %', '98.5 %']);
  t.same(percentTicks.write([0.9775, 0.98, 0.9825], 0.0025), ['97.75 %', '98.00 %', '98.25 %']);
  t.end();
});

t.test('amounts are short, however large', (t) => {
  t.same(amountTicks.write([0, 500, 1_000], 500), ['0', '500', '1000']);
  t.same(amountTicks.write([0, 10_000, 20_000], 10_000), ['0', '10 k', '20 k']);
  t.same(amountTicks.write([0, 12_500, 25_000], 12_500), ['0', '12.5 k', '25.0 k']);
  t.same(amountTicks.write([0, 500_000, 1_000_000], 500_000), ['0', '0.5 M', '1.0 M']);
  t.end();
});

t.test('times are divided as clocks divide them', (t) => {
  t.same(timeTicks.write([0, 0.5, 1], 0.5), ['0.0 s', '0.5 s', '1.0 s']);
  t.same(timeTicks.write([0, 30, 60, 90], 30), ['0 s', '30 s', '1 min', '1 min 30 s']);
  t.same(timeTicks.write([0, 1_800, 3_600, 5_400, 86_400], 1_800), [
    '0 s',
    '30 min',
    '1 h',
    '1 h 30 min',
    '1 d',
  ]);
  t.notOk(timeTicks.steps?.some((apart) => apart > 1 && apart < 86_400 && 86_400 % apart !== 0));
  t.end();
});

t.test('no two of an axis are written alike, and distances rise', (t) => {
  for (const ticks of [numberTicks, percentTicks, countTicks, amountTicks, timeTicks]) {
    const usual = [-6, -4, -3, -2, -1, 0, 1, 3, 6].flatMap((power) =>
      [1, 2, 2.5, 5].map((n) => n * 10 ** power),
    );
    for (const apart of ticks.steps ?? usual) {
      const texts = ticks.write(
        Array.from({ length: 6 }, (_, i) => Number(((7 + i) * apart).toPrecision(12))),
        apart,
      );
      t.equal(new Set(texts).size, 6, `${apart} apart: ${texts.join(', ')}`);
    }
    const steps = ticks.steps ?? [];
    t.ok(steps.every((step, i) => i === 0 || step > steps[i - 1]));
  }
  t.ok(countTicks.steps?.every(Number.isInteger));
  t.end();
});
