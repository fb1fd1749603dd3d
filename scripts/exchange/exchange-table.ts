/** The times of exchanges beside what the cost model says, for 80 columns. */
import { table } from '../table.ts';
import { type CostModel, type ExchangeTime, predict, residual } from './cost-model.ts';

/** A line for each size, and for each number of ranks the time, the model's, and by how many percent it is off. */
export function exchangeLines(
  times: readonly ExchangeTime[],
  modelOf: (ranks: number) => CostModel,
): string[] {
  const sizes = [...new Set(times.map(({ bytes }) => bytes))].sort((a, b) => a - b);
  const counts = [...new Set(times.map(({ ranks }) => ranks))].sort((a, b) => a - b);
  const columns = [
    { title: 'gradient', align: 'right' } as const,
    ...counts
      .flatMap((ranks) => (ranks === 1 ? ['1 rank'] : [`${ranks} ranks`, 'model', '%']))
      .map((title) => ({ title, align: 'right' }) as const),
  ];
  return table(
    columns,
    sizes.map((bytes) => [
      sizeText(bytes),
      ...counts.flatMap((ranks) => {
        const time = times.find((one) => one.bytes === bytes && one.ranks === ranks);
        if (time === undefined) return ranks === 1 ? ['–'] : ['–', '–', '–'];
        const took = timeText(time.seconds);
        if (ranks === 1) return [took];
        const model = modelOf(ranks);
        return [took, timeText(predict(model, time)), offText(residual(model, time))];
      }),
    ]),
  );
}

/** `α 1.3 µs a message, β 0.12 ns a byte (8.3 GB/s), γ 0.05 ns a byte merged (20.0 GB/s)` */
export function modelText({ alpha, beta, gamma }: CostModel): string {
  const perByte = (seconds: number) => `${digits(1e9 * seconds)} ns a byte (${digits(1e-9 / seconds)} GB/s)`;
  return `α ${digits(1e6 * alpha)} µs a message, β ${perByte(beta)}, merging γ ${perByte(gamma)}`;
}

/** `636 KB`; of 1024 bytes, as sizes here are. */
export function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.round(bytes / 1024)} KB` : `${Math.round(bytes / 2 ** 20)} MB`;
}

/** Three digits that count: `8.31 µs`, `1.25 ms`. */
export function timeText(seconds: number): string {
  return seconds < 0.9995e-3 ? `${digits(1e6 * seconds)} µs` : `${digits(1000 * seconds)} ms`;
}

function offText(share: number): string {
  const percent = Math.round(100 * share);
  return `${percent > 0 ? '+' : ''}${percent}`;
}

/** Three that count, none of them in another notation. */
function digits(value: number): string {
  const places = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return value.toFixed(places);
}
