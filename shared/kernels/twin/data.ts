import { type Kernels, padded } from '../kernels.ts';
import { at, type Views } from './memory.ts';

export function data(m: Views): Pick<Kernels, 'gather'> {
  return {
    gather(images, pixels, order, first, rows, table, x, stride) {
      for (let r = 0; r < rows; r++) {
        const image = images + m.sample(order, first + r) * pixels;
        for (let i = 0; i < padded(pixels); i++) {
          m.set(at(x, stride, r, i), i < pixels ? m.get(table + 4 * m.bytes[image + i]) : 0);
        }
      }
    },
  };
}
