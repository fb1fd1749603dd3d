// The new values beside the old. A value times zero is NaN where it is not finite, so one sum finds them all.
import { fma } from './arithmetic';

// @ts-ignore: decorator
@inline
function isBad(sum: v128): i32 {
  return v128.any_true(f32x4.ne(sum, sum)) ? 1 : 0;
}

export function sgd(
  w: usize, g: usize, v: usize, newW: usize, newV: usize, count: i32,
  rate: f32, momentum: f32, decay: f32, nesterov: i32,
): i32 {
  const zero = f32x4.splat(0);
  const minusRate = f32x4.splat(-rate);
  let finite = zero;
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    const weight = v128.load(w + i);
    let direction = v128.load(g + i);
    if (decay != 0) direction = fma(f32x4.splat(decay), weight, direction);
    if (momentum != 0) {
      const velocity = fma(f32x4.splat(momentum), v128.load(v + i), direction);
      v128.store(newV + i, velocity);
      finite = f32x4.add(finite, f32x4.mul(velocity, zero));
      direction = nesterov ? fma(f32x4.splat(momentum), velocity, direction) : velocity;
    }
    const updated = fma(minusRate, direction, weight);
    v128.store(newW + i, updated);
    finite = f32x4.add(finite, f32x4.mul(updated, zero));
  }
  return isBad(finite);
}

export function movingAverage(
  old: usize, value: usize, out: usize, count: i32, momentum: f32, divisor: f32,
): i32 {
  const zero = f32x4.splat(0);
  const rest = f32x4.splat((<f32>1) - momentum);
  let finite = zero;
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    const share = f32x4.mul(rest, f32x4.div(v128.load(value + i), f32x4.splat(divisor)));
    const updated = fma(f32x4.splat(momentum), v128.load(old + i), share);
    v128.store(out + i, updated);
    finite = f32x4.add(finite, f32x4.mul(updated, zero));
  }
  return isBad(finite);
}

export function nonFinite(x: usize, count: i32): i32 {
  const zero = f32x4.splat(0);
  let finite = zero;
  const whole = ((<usize>count) >> 2) << 4;
  for (let i: usize = 0; i < whole; i += 16) {
    finite = f32x4.add(finite, f32x4.mul(v128.load(x + i), zero));
  }
  for (let i = whole; i < ((<usize>count) << 2); i += 4) {
    finite = f32x4.add(finite, f32x4.mul(v128.load32_splat(x + i), zero));
  }
  return isBad(finite);
}
