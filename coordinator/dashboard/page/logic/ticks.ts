/** Which values stand along an axis, and how they are written there: as exactly as they are apart, and no more. */
import { grouped, shortNumber } from './format.ts';

export interface Ticks {
  /** How far apart they may be, rising; unless given, 1, 2, 2.5 or 5 times a power of ten. */
  readonly steps?: readonly number[];
  /** Room for one, in pixels. */
  readonly room?: number;
  /** Their texts; `apart` is the distance between neighbours. */
  readonly write: (values: readonly number[], apart: number) => string[];
}

const tens = Array.from({ length: 15 }, (_, power) => 10 ** power);

/** `0.25`, `0.50`. */
export const numberTicks: Ticks = {
  write: (values, apart) => values.map((value) => fixed(value, digitsOf(apart))),
};

/** Where they are as far apart as their sizes are: on a logarithmic axis. */
export const powerTicks: Ticks = { write: (values) => values.map(shortNumber) };

/** `97.5 %`, of shares. */
export const percentTicks: Ticks = {
  write: (values, apart) => values.map((value) => `${fixed(100 * value, digitsOf(100 * apart))} %`),
};

/** Whole numbers: `1,500`. */
export const countTicks: Ticks = {
  steps: tens.flatMap((ten) => [ten, 2 * ten, 5 * ten]),
  write: (values) => values.map(grouped),
};

/** Amounts, however large: `30 k`, `1.0 M`. */
export const amountTicks: Ticks = {
  write: (values, apart) => {
    const [unit, letter] = unitFor(Math.max(0, ...values));
    return values.map((value) =>
      value === 0 ? '0' : `${fixed(value / unit, digitsOf(apart / unit))}${letter}`,
    );
  },
};

const [minute, hour, day] = [60, 3_600, 86_400];

/** Seconds, as clocks divide them: `15 s`, `1 min 30 s`, `2 h`. */
export const timeTicks: Ticks = {
  steps: [
    ...[0.000_001, 0.000_01, 0.000_1, 0.001, 0.01, 0.1].flatMap((ten) => [ten, 2 * ten, 5 * ten]),
    ...[1, 2, 5, 10, 15, 30],
    ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minute),
    ...[1, 2, 3, 6, 12].map((hours) => hours * hour),
    ...tens.slice(0, 6).flatMap((ten) => [ten * day, 2 * ten * day, 5 * ten * day]),
  ],
  room: 92,
  write: (values, apart) =>
    values.map((value) => (apart < 1 ? `${fixed(value, digitsOf(apart))} s` : timeOf(value))),
};

function timeOf(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / day), 'd'],
    [Math.floor(whole / hour) % 24, 'h'],
    [Math.floor(whole / minute) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  const said = parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}`]));
  return said.length === 0 ? '0 s' : said.join(' ');
}

function unitFor(greatest: number): readonly [unit: number, letter: string] {
  if (greatest >= 1e9) return [1e9, ' G'];
  if (greatest >= 1e6) return [1e6, ' M'];
  return greatest >= 10_000 ? [1e3, ' k'] : [1, ''];
}

/** Digits after the point that tell values so far apart from each other. */
function digitsOf(apart: number): number {
  if (!(apart > 0)) return 0;
  // 0.25 has one more than its size says; 0.30000000000000004 has none of those behind.
  const [mantissa, exponent] = Number(apart.toPrecision(6)).toExponential().split('e');
  const behind = mantissa.split('.')[1]?.length ?? 0;
  return Math.min(12, Math.max(0, behind - Number(exponent)));
}

/** Without a minus before zero. */
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}
