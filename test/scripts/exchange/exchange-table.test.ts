/** The table of exchanges, for 80 columns. */
import t from 'tap';
import { type CostModel, type ExchangeTime, predict } from '../../../scripts/exchange/cost-model.ts';
import { exchangeLines, modelText, sizeText, timeText } from '../../../scripts/exchange/exchange-table.ts';

const model: CostModel = { cores: 8, alpha: 1e-6, beta: 1e-10, gamma: 5e-11 };

t.test('a line for each size, the columns of each number of ranks, also where some are missing', (t) => {
  const time = (ranks: number, bytes: number, seconds: number): ExchangeTime => ({
    ...{ ranks, bytes, seconds, chunks: 1, mergeSeconds: 0 },
  });
  const times = [
    ...[time(2, 1_048_576, 200e-6), time(1, 4096, 1.234e-6), time(2, 4096, 2.5e-6)],
    ...[time(8, 4096, 20e-6), time(1, 1_048_576, 99.96e-6)],
  ];
  const lines = exchangeLines(times, () => model).map((line) => line.trim().replace(/ +/g, ' '));
  t.same(lines, [
    'gradient 1 rank 2 ranks model % 8 ranks model %',
    '4 KB 1.23 µs 2.50 µs 2.51 µs 0 20.0 µs 14.9 µs +34',
    '1 MB 100 µs 200 µs 133 µs +50 – – –',
  ]);
  t.end();
});

t.test('it fits with one, two, four and eight ranks', (t) => {
  const times = [1, 2, 4, 8].flatMap((ranks) =>
    [4096, 2 ** 26].map((bytes) => {
      const exchange = { ranks, bytes, chunks: 1 };
      // As wide as they come: 9.99 µs to 999 ms, off by three digits.
      return { ...exchange, seconds: Math.max(9.9e-6, 9.9 * predict(model, exchange)), mergeSeconds: 0 };
    }),
  );
  for (const line of exchangeLines(times, () => model)) t.ok(line.length <= 80, `${line.length}: ${line}`);
  t.end();
});

t.test('sizes, times and models in few digits', (t) => {
  t.same([4096, 636 * 1024, 2 ** 20, 2 ** 26].map(sizeText), ['4 KB', '636 KB', '1 MB', '64 MB']);
  const seconds = [4.2e-7, 99.96e-6, 999.4e-6, 999.6e-6, 0.01234, 1.5];
  t.same(seconds.map(timeText), ['0.42 µs', '100 µs', '999 µs', '1.00 ms', '12.3 ms', '1500 ms']);
  t.equal(
    modelText(model),
    'α 1.00 µs a message, β 0.10 ns a byte (10.0 GB/s), merging γ 0.05 ns a byte (20.0 GB/s)',
  );
  t.end();
});
