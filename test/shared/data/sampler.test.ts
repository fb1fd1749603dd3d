/** Which samples an epoch has, in which order. */
import t from 'tap';
import { drawOrder, drawSubset } from '../../../shared/data/sampler.ts';

const ascending = (values: Uint32Array): boolean =>
  values.every((value, i) => i === 0 || values[i - 1] < value);
const orderOf = (samples: Uint32Array, seed: number, epoch: number): Uint32Array => {
  const order = new Uint32Array(samples.length);
  drawOrder(order, samples, seed, epoch);
  return order;
};

t.test('a subset has as many different samples as asked for, in ascending order', (t) => {
  for (const [total, count] of [
    [1, 1],
    [10, 1],
    [10, 9],
    [60_000, 20_000],
  ]) {
    const subset = drawSubset(total, count, 5);
    t.ok(subset.length === count && ascending(subset) && subset[count - 1] < total, `${count} of ${total}`);
  }
  t.end();
});

t.test('all samples are all samples, whatever the seed', (t) => {
  t.same([...drawSubset(5, 5, 1)], [0, 1, 2, 3, 4]);
  t.same(drawSubset(100, 100, 1), drawSubset(100, 100, 2));
  t.end();
});

t.test('a subset depends on the seed, and every sample is as likely in it', (t) => {
  t.same(drawSubset(1000, 10, 3), drawSubset(1000, 10, 3));
  t.notSame(drawSubset(1000, 10, 3), drawSubset(1000, 10, 4));
  const [total, count, draws] = [50, 20, 5000];
  const seen = new Float64Array(total);
  for (let seed = 0; seed < draws; seed++)
    for (const sample of drawSubset(total, count, seed)) seen[sample]++;
  const p = count / total;
  // Each is binomial; the counts have a fixed sum, so χ² has total − 1 degrees of freedom when scaled by
  // (total − 1) ÷ total. Above 49 + 4 · √98 it is less than once in 1000 times; the seeds are fixed.
  const sum = seen.reduce((sum, times) => sum + (times - draws * p) ** 2 / (draws * p * (1 - p)), 0);
  const chiSquare = (sum * (total - 1)) / total;
  t.ok(chiSquare < 49 + 4 * Math.sqrt(98), `χ² ${chiSquare.toFixed(1)} of 49 degrees of freedom`);
  t.end();
});

t.test('an order has every sample of the epoch once, in another order each epoch and seed', (t) => {
  const samples = drawSubset(1000, 300, 1);
  const orders = [orderOf(samples, 1, 1), orderOf(samples, 1, 2), orderOf(samples, 2, 1)];
  for (const order of orders) {
    t.same(order.toSorted(), samples);
    t.notOk(ascending(order));
  }
  t.equal(new Set(orders.map(String)).size, 3);
  t.same(orderOf(samples, 1, 1), orders[0], 'it depends on seed and epoch alone, not on the epoch before');
  t.ok(ascending(samples), 'the samples are left as they were');
  t.end();
});

t.test('what is drawn never changes: the orders are part of the contract', (t) => {
  t.same([...drawSubset(100, 8, 0)], [0, 5, 48, 63, 66, 67, 69, 93]);
  t.same([...drawSubset(60_000, 5, 4_294_967_295)], [601, 11_200, 18_969, 23_639, 43_547]);
  const all = drawSubset(10, 10, 0);
  t.same([...orderOf(all, 0, 1)], [1, 5, 7, 3, 2, 4, 8, 6, 9, 0]);
  t.same([...orderOf(all, 0, 2)], [7, 3, 6, 0, 2, 5, 1, 8, 9, 4]);
  t.same([...orderOf(all, 1, 1)], [8, 1, 3, 5, 6, 0, 4, 2, 7, 9]);
  t.same(
    [...orderOf(drawSubset(60_000, 60_000, 0), 0, 1).slice(0, 6)],
    [48_739, 10_383, 10_722, 20_639, 13_842, 29_981],
  );
  t.end();
});
