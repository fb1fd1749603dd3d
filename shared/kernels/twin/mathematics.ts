import { f, fma, roundToEven } from './arithmetic.ts';

const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

export function exp(x: number): number {
  const clamped = x < -104 ? -104 : x > 89 ? 89 : x;
  const n = f(roundToEven(f(clamped * f(1.4426950408889634))));
  let r = fma(n, f(-0.693359375), clamped);
  r = fma(n, f(2.1219444e-4), r);
  let p = f(1.98756915e-4);
  for (const c of [1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]) {
    p = fma(p, r, f(c));
  }
  p = fma(p, f(r * r), f(r + 1));
  const k = Number.isNaN(n) ? 0 : n;
  const half = k >> 1;
  return f(f(p * powerOfTwo(half)) * powerOfTwo(k - half));
}

function powerOfTwo(n: number): number {
  bits[0] = (n + 127) << 23;
  return word[0];
}

const logCoefficients = [
  -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
  -2.4999993993e-1, 3.3333331174e-1,
];

export function log(x: number): number {
  if (!(x >= 0)) return Number.NaN;
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (x === Number.POSITIVE_INFINITY) return x;
  const subnormal = x < f(1.17549435e-38);
  word[0] = subnormal ? f(x * 8388608) : x;
  const exponent = (bits[0] - 0x3f3504f3) >> 23;
  bits[0] -= exponent << 23;
  const e = exponent - (subnormal ? 23 : 0);
  const m = f(word[0] - 1);
  const z = f(m * m);
  let p = f(7.0376836292e-2);
  for (const c of logCoefficients) p = fma(p, m, f(c));
  let y = f(f(p * m) * z);
  y = fma(e, f(-2.1219444e-4), y);
  y = fma(-0.5, z, y);
  y = f(m + y);
  return fma(e, f(0.693359375), y);
}

export function sigmoid(x: number): number {
  return f(1 / f(1 + exp(-x)));
}

export function tanh(x: number): number {
  const size = Math.abs(x);
  if (size < 0.625) {
    const z = f(x * x);
    let p = f(-5.70498872745e-3);
    for (const c of [2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]) {
      p = fma(p, z, f(c));
    }
    return fma(f(p * z), x, x);
  }
  const t = exp(f(size * -2));
  const quotient = f(f(1 - t) / f(1 + t));
  return x < 0 ? -quotient : quotient;
}
