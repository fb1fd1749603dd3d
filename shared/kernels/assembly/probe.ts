import { fma } from './arithmetic';

export function multiplyAdd(a: usize, b: usize, c: usize, out: usize, count: i32): void {
  for (let i: usize = 0; i < ((<usize>count) << 2); i += 16) {
    v128.store(out + i, fma(v128.load(a + i), v128.load(b + i), v128.load(c + i)));
  }
}
