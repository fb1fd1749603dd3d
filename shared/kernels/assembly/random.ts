// Counter-based random numbers: element i of a stream depends on the key and i alone.
import { fma } from './arithmetic';
import { log4 } from './mathematics';

// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, 2011), first word of the block for counter (i, 0).
function threefry(key0: u32, key1: u32, counter: u32): u32 {
  const key2 = key0 ^ key1 ^ 0x1bd11bda;
  let a = counter + key0;
  let b = key1;
  a += b; b = rotl(b, 13) ^ a;
  a += b; b = rotl(b, 15) ^ a;
  a += b; b = rotl(b, 26) ^ a;
  a += b; b = rotl(b, 6) ^ a;
  a += key1; b += key2 + 1;
  a += b; b = rotl(b, 17) ^ a;
  a += b; b = rotl(b, 29) ^ a;
  a += b; b = rotl(b, 16) ^ a;
  a += b; b = rotl(b, 24) ^ a;
  a += key2; b += key0 + 2;
  a += b; b = rotl(b, 13) ^ a;
  a += b; b = rotl(b, 15) ^ a;
  a += b; b = rotl(b, 26) ^ a;
  a += b; b = rotl(b, 6) ^ a;
  a += key0; b += key1 + 3;
  a += b; b = rotl(b, 17) ^ a;
  a += b; b = rotl(b, 29) ^ a;
  a += b; b = rotl(b, 16) ^ a;
  a += b; b = rotl(b, 24) ^ a;
  a += key1; b += key2 + 4;
  a += b; b = rotl(b, 13) ^ a;
  a += b; b = rotl(b, 15) ^ a;
  a += b; b = rotl(b, 26) ^ a;
  a += b; b = rotl(b, 6) ^ a;
  return a + key2;
}

// @ts-ignore: decorator
@inline
function scalarFma(a: f32, b: f32, c: f32): f32 {
  return f32x4.extract_lane(fma(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c)), 0);
}

export function uniform(out: usize, count: i32, key0: u32, key1: u32, low: f32, high: f32): void {
  const range = high - low;
  for (let i = 0; i < count; i++) {
    const u = <f32>(threefry(key0, key1, i) >>> 8) * <f32>5.9604644775390625e-8; // 2⁻²⁴
    store<f32>(out + ((<usize>i) << 2), scalarFma(range, u, low));
  }
}

export function normal(out: usize, count: i32, key0: u32, key1: u32, deviation: f32): void {
  for (let i = 0; i < count; i++) {
    // The middle of one of 2²³ equal parts of (0, 1): exact, symmetric, never 0 or 1.
    const p = (<f32>(threefry(key0, key1, i) >>> 9) + <f32>0.5) * <f32>1.1920928955078125e-7; // 2⁻²³
    store<f32>(out + ((<usize>i) << 2), deviation * inverseNormal(p));
  }
}

// Wichura, algorithm AS 241 (1988), PPND7. Its third branch (p below 1.4e-11) cannot occur here.
function inverseNormal(p: f32): f32 {
  const q = p - <f32>0.5;
  if (abs(q) <= <f32>0.425) {
    const r = scalarFma(-q, q, 0.180625);
    let above = scalarFma(5.9109374720e1, r, 1.5929113202e2);
    above = scalarFma(above, r, 5.0434271938e1);
    above = scalarFma(above, r, 3.3871327179);
    let below = scalarFma(6.7187563600e1, r, 7.8757757664e1);
    below = scalarFma(below, r, 1.7895169469e1);
    below = scalarFma(below, r, 1);
    return (q * above) / below;
  }
  const tail = q < 0 ? p : <f32>1 - p;
  const r = sqrt(-f32x4.extract_lane(log4(f32x4.splat(tail)), 0)) - <f32>1.6;
  let above = scalarFma(1.7023821103e-1, r, 1.3067284816);
  above = scalarFma(above, r, 2.7568153900);
  above = scalarFma(above, r, 1.4234372777);
  let below = scalarFma(1.2021132975e-1, r, 7.3700164250e-1);
  below = scalarFma(below, r, 1);
  const z = above / below;
  return q < 0 ? -z : z;
}
