// Images are kept as bytes and scaled when a batch is gathered, through a table of 256 values.
import { splat } from './arithmetic';
import { PANEL_BYTES } from './layout';

export function gather(
  images: usize, pixels: i32, order: usize, first: i32, rows: i32, table: usize, x: usize, stride: usize,
): void {
  const background = splat(table);
  for (let r = 0; r < rows; r++, x += PANEL_BYTES) {
    const sample = order != 0 ? load<u32>(order + ((<usize>(first + r)) << 2)) : <u32>(first + r);
    const image = images + <usize>sample * <usize>pixels;
    let row = x;
    let i = 0;
    for (; i + 16 <= pixels; i += 16, row += stride) {
      // Most of an image is background: runs of zeros.
      if (!v128.any_true(v128.load(image + <usize>i))) {
        v128.store(row, background);
        v128.store(row, background, 16);
        v128.store(row, background, 32);
        v128.store(row, background, 48);
      } else {
        scaleEight(load<u64>(image + <usize>i), table, row);
        scaleEight(load<u64>(image + <usize>i, 8), table, row + 32);
      }
    }
    if (i < pixels) {
      for (let j = 0; j < 16; j++) {
        store<f32>(row + ((<usize>j) << 2), i + j < pixels ? scaled(table, image + <usize>(i + j)) : 0);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function scaleEight(pixels: u64, table: usize, out: usize): void {
  store<f32>(out, load<f32>(table + ((<usize>(pixels) & 255) << 2)), 0);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 8) & 255) << 2)), 4);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 16) & 255) << 2)), 8);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 24) & 255) << 2)), 12);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 32) & 255) << 2)), 16);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 40) & 255) << 2)), 20);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 48) & 255) << 2)), 24);
  store<f32>(out, load<f32>(table + ((<usize>(pixels >> 56) & 255) << 2)), 28);
}

// @ts-ignore: decorator
@inline
function scaled(table: usize, pixel: usize): f32 {
  return load<f32>(table + ((<usize>load<u8>(pixel)) << 2));
}
