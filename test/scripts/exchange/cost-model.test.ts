/** The cost model of an exchange, and what is fitted to it. */
import t from 'tap';
import {
  type CostModel,
  type ExchangeTime,
  fitCosts,
  fitTwo,
  predict,
  residual,
} from '../../../scripts/exchange/cost-model.ts';
import { randomNumbers } from '../../helpers/reference/random-data.ts';

const near = (a: number, b: number, share = 1e-9) => Math.abs(a - b) <= share * Math.abs(b);
const model: CostModel = { cores: 2, alpha: 3e-6, beta: 2e-10, gamma: 5e-11 };
const sizes = [4096, 65_536, 2 ** 20, 2 ** 26];

t.test('two ranks send half of the gradient twice, and merge half of it', (t) => {
  const seconds = predict(model, { ranks: 2, bytes: 1_000_000, chunks: 1 });
  t.ok(near(seconds, 2 * 3e-6 + 2 * 2e-10 * 500_000 + 5e-11 * 500_000), String(seconds));
  t.end();
});

t.test('four ranks on two cores take twice as long as on four', (t) => {
  const exchange = { ranks: 4, bytes: 1_000_000, chunks: 3 };
  const own = 2 * 3 * 3 * 3e-6 + (2 * 2e-10 + 5e-11) * 750_000;
  t.ok(near(predict({ ...model, cores: 4 }, exchange), own));
  t.ok(near(predict({ ...model, cores: 8 }, exchange), own), 'more cores than ranks help nobody');
  t.ok(near(predict(model, exchange), 2 * own));
  t.end();
});

t.test('a rank alone exchanges nothing', (t) => {
  t.equal(predict(model, { ranks: 1, bytes: 1_000_000, chunks: 1 }), 0);
  t.end();
});

/** Times that are the model's but for a factor. */
function timesOf(factor: () => number): ExchangeTime[] {
  return [2, 4, 8].flatMap((ranks) =>
    sizes.map((bytes) => {
      const exchange = { ranks, bytes, chunks: Math.ceil(bytes / 2 ** 22) };
      const seconds = predict(model, exchange) * factor();
      const share = predict({ ...model, alpha: 0, beta: 0 }, exchange) / predict(model, exchange);
      return { ...exchange, seconds, mergeSeconds: seconds * share };
    }),
  );
}

t.test('what the model made is found again, from microseconds to seconds', (t) => {
  const times = timesOf(() => 1);
  const alone = { ranks: 1, bytes: 4096, chunks: 1, seconds: 1, mergeSeconds: 1 };
  for (const some of [times, [alone, ...times]]) {
    const found = fitCosts(some, 2);
    t.equal(found.cores, 2);
    for (const key of ['alpha', 'beta', 'gamma'] as const) t.ok(near(found[key], model[key], 1e-6), key);
  }
  for (const time of times) t.ok(Math.abs(residual(model, time)) < 1e-12);
  t.end();
});

t.test('of times that are off, the model is nearer to them than what made them', (t) => {
  const random = randomNumbers(7);
  const factors: number[] = [];
  const times = timesOf(() => {
    factors.push(1 + 0.1 * random());
    return factors[factors.length - 1];
  });
  const found = fitCosts(times, 2);
  // Every time of merging is γ times a factor, and what is nearest to all lies between the least and the greatest.
  const [least, most] = [Math.min(...factors), Math.max(...factors)];
  t.ok(found.gamma >= least * model.gamma && found.gamma <= most * model.gamma);
  const distance = (one: CostModel) =>
    times.reduce((sum, { seconds, mergeSeconds, ...exchange }) => {
      const travelling = predict({ ...one, gamma: 0 }, exchange);
      return sum + (travelling / (seconds - mergeSeconds) - 1) ** 2;
    }, 0);
  t.ok(distance(found) < distance(model));
  for (const key of ['alpha', 'beta'] as const) {
    for (const factor of [0.99, 1.01])
      t.ok(distance(found) < distance({ ...found, [key]: factor * found[key] }), `${key} · ${factor}`);
  }
  const late = { ...times[0], seconds: 1.5 * predict(found, times[0]) };
  t.ok(near(residual(found, late), 0.5));
  t.end();
});

t.test('factors are never below 0: then the better one is alone', (t) => {
  t.same(
    fitTwo([
      [1, 1, 1],
      [1, 2, 0.5],
      [1, 4, 0.25],
    ])[1],
    0,
  );
  // Both columns alike: one of them says it all.
  const [a, b] = fitTwo([
    [1, 2, 4],
    [2, 4, 8],
  ]);
  t.ok(near(a + 2 * b, 4));
  t.same(
    fitTwo([
      [2, 0, 4],
      [3, 0, 6],
    ]),
    [2, 0],
  );
  t.end();
});
