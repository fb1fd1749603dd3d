// The new values beside the old.
import { fma, splat } from './arithmetic';
import { addToChecksum, keysAt, nextKeys, STATE_KEY, withPairs } from './checksum';

// A value times zero is NaN where it is not finite, and one such makes the sum NaN.
// @ts-ignore: decorator
@inline
export function stillFinite(finite: v128, value: v128): v128 {
  return fma(value, f32x4.splat(0), finite);
}

// @ts-ignore: decorator
@inline
export function isBad(finite: v128): i32 {
  return v128.any_true(f32x4.ne(finite, finite)) ? 1 : 0;
}

export function sgd(
  w: usize, g: usize, v: usize, newW: usize, newV: usize, count: i32, rule: usize, position: i32, checksum: usize,
): i32 {
  const minusRate = f32x4.neg(splat(rule));
  const momentum = load<f32>(rule, 4);
  const decay = load<f32>(rule, 8);
  const nesterov = load<f32>(rule, 12);
  let finite = f32x4.splat(0);
  let sum = i64x2.splat(0);
  let keys = keysAt(position);
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    const weight = v128.load(w + i);
    let direction = v128.load(g + i);
    if (decay != 0) direction = fma(f32x4.splat(decay), weight, direction);
    if (momentum != 0) {
      const velocity = fma(f32x4.splat(momentum), v128.load(v + i), direction);
      v128.store(newV + i, velocity);
      finite = stillFinite(finite, velocity);
      sum = withPairs(sum, velocity, v128.xor(keys, i32x4.splat(STATE_KEY)));
      direction = nesterov != 0 ? fma(f32x4.splat(momentum), velocity, direction) : velocity;
    }
    const updated = fma(minusRate, direction, weight);
    v128.store(newW + i, updated);
    finite = stillFinite(finite, updated);
    sum = withPairs(sum, updated, keys);
    keys = nextKeys(keys);
  }
  addToChecksum(checksum, sum);
  return isBad(finite);
}

export function movingAverage(
  old: usize, value: usize, out: usize, count: i32, momentum: f32, divisor: f32, position: i32, checksum: usize,
): i32 {
  const rest = f32x4.splat((<f32>1) - momentum);
  let finite = f32x4.splat(0);
  let sum = i64x2.splat(0);
  let keys = keysAt(position);
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    const share = f32x4.mul(rest, f32x4.div(v128.load(value + i), f32x4.splat(divisor)));
    const updated = fma(f32x4.splat(momentum), v128.load(old + i), share);
    v128.store(out + i, updated);
    finite = stillFinite(finite, updated);
    sum = withPairs(sum, updated, keys);
    keys = nextKeys(keys);
  }
  addToChecksum(checksum, sum);
  return isBad(finite);
}

export function checksum(x: usize, count: i32, position: i32, checksum: usize): void {
  let sum = i64x2.splat(0);
  let keys = keysAt(position);
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    sum = withPairs(sum, v128.load(x + i), keys);
    keys = nextKeys(keys);
  }
  addToChecksum(checksum, sum);
}

export function nonFinite(x: usize, count: i32): i32 {
  let finite = f32x4.splat(0);
  const whole = ((<usize>count) >> 2) << 4;
  for (let i: usize = 0; i < whole; i += 16) finite = stillFinite(finite, v128.load(x + i));
  for (let i = whole; i < ((<usize>count) << 2); i += 4) finite = stillFinite(finite, splat(x + i));
  return isBad(finite);
}
