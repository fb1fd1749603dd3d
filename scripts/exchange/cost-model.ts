/**
 * What an exchange of a gradient of S bytes among P ranks is to cost: T = 2·α·(P − 1) + 2·β·S·(P − 1)/P + γ·S·(P − 1)/P.
 * Both calls of MPI send a message to each of P − 1 others (α seconds each) and S·(P − 1)/P bytes in all (β seconds each, with
 * what is received meanwhile), and so many bytes are merged in between (γ). Where P ranks share C < P cores, each gets C/P of
 * one, and everything takes P/C times as long.
 */

/** What was measured, medians. */
export interface ExchangeTime {
  readonly ranks: number;
  /** Of the gradient. */
  readonly bytes: number;
  /** Runs of the gradient that travel one behind the other; each is a call of its own. */
  readonly chunks: number;
  readonly seconds: number;
  /** Of these, merging at rank 0. */
  readonly mergeSeconds: number;
}

export interface CostModel {
  readonly cores: number;
  /** Seconds a message. */
  readonly alpha: number;
  /** Seconds a byte that travels. */
  readonly beta: number;
  /** Seconds a byte that is merged. */
  readonly gamma: number;
}

type Exchanged = Pick<ExchangeTime, 'ranks' | 'bytes' | 'chunks'>;

/** How many of each an exchange has, as one rank sees it; times how long each takes longer on shared cores. */
function amounts({ ranks, bytes, chunks }: Exchanged, cores: number) {
  const slowdown = Math.max(1, ranks / cores);
  const travelling = (bytes * (ranks - 1)) / ranks;
  return {
    messages: 2 * chunks * (ranks - 1) * slowdown,
    travelled: 2 * travelling * slowdown,
    merged: travelling * slowdown,
  };
}

/** Seconds of an exchange by the model. */
export function predict(model: CostModel, exchange: Exchanged): number {
  const { messages, travelled, merged } = amounts(exchange, model.cores);
  return model.alpha * messages + model.beta * travelled + model.gamma * merged;
}

/** By how much a time is off the model, as a share of the model's. */
export function residual(model: CostModel, time: ExchangeTime): number {
  return time.seconds / predict(model, time) - 1;
}

/**
 * The model that is nearest to the times: least squares of the shares by which it is off, so that microseconds count as much
 * as milliseconds. Times of a single rank, which exchanges nothing, do not count.
 */
export function fitCosts(times: readonly ExchangeTime[], cores: number): CostModel {
  const some = times.filter(({ ranks }) => ranks > 1);
  const rows = some.map((time) => ({ ...time, ...amounts(time, cores) }));
  const [gamma] = fitTwo(rows.map(({ merged, mergeSeconds }) => [merged, 0, mergeSeconds]));
  const [alpha, beta] = fitTwo(
    rows.map(({ messages, travelled, seconds, mergeSeconds }) => [
      messages,
      travelled,
      seconds - mergeSeconds,
    ]),
  );
  return { cores, alpha, beta, gamma };
}

/** Factors a and b, neither below 0, with the least Σ ((a·x + b·y) ÷ z − 1)² over rows x, y, z. */
export function fitTwo(
  rows: readonly (readonly [x: number, y: number, z: number])[],
): readonly [number, number] {
  let [xx, xy, yy, x1, y1] = [0, 0, 0, 0, 0];
  for (const [x, y, z] of rows) {
    const [u, v] = [x / z, y / z];
    xx += u * u;
    xy += u * v;
    yy += v * v;
    x1 += u;
    y1 += v;
  }
  const determinant = xx * yy - xy * xy;
  // Of two columns that say the same, one is enough.
  if (determinant > 1e-12 * xx * yy) {
    const both = [(x1 * yy - y1 * xy) / determinant, (y1 * xx - x1 * xy) / determinant] as const;
    if (both.every((factor) => factor >= 0)) return both;
  }
  const loss = (a: number, b: number) =>
    rows.reduce((sum, [x, y, z]) => sum + ((a * x + b * y) / z - 1) ** 2, 0);
  const onlyX = [xx === 0 ? 0 : x1 / xx, 0] as const;
  const onlyY = [0, yy === 0 ? 0 : y1 / yy] as const;
  return loss(...onlyX) <= loss(...onlyY) ? onlyX : onlyY;
}
