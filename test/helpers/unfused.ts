/** A build whose engine multiplies and adds in two roundings, as one without fused multiply-add would. */
import { type Kernels, padded, panelBytes } from '../../shared/kernels/kernels.ts';
import { at } from '../../shared/kernels/twin/memory.ts';
import { twinKernels } from '../../shared/kernels/twin/twin.ts';
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';

const f = Math.fround;

/** The twin with two roundings in `dense` alone: its multiply-add still passes a look. */
export function withUnfusedDense(memory: SharedMemory): Kernels {
  const floats = new Float32Array(memory.buffer);
  const get = (offset: number): number => floats[offset / 4];
  return {
    ...twinKernels(memory),
    dense(x, xStride, w, bias, y, yStride, rows, depth, width) {
      for (let r = 0; r < rows; r++) {
        for (let o = 0; o < padded(width); o++) {
          let sum = bias === 0 ? 0 : get(bias + 4 * o);
          for (let k = 0; k < depth; k++) {
            sum = f(f(get(at(x, xStride, r, k)) * get(at(w, panelBytes * depth, k, o))) + sum);
          }
          floats[at(y, yStride, r, o) / 4] = sum;
        }
      }
    },
  };
}

/** The twin with two roundings in `dense` and in the multiply-add itself. */
export function unfusedKernels(memory: SharedMemory): Kernels {
  const floats = new Float32Array(memory.buffer);
  return {
    ...withUnfusedDense(memory),
    multiplyAdd(a, b, c, out, count) {
      for (let i = 0; i < count; i++) {
        floats[out / 4 + i] = f(f(floats[a / 4 + i] * floats[b / 4 + i]) + floats[c / 4 + i]);
      }
    },
  };
}
