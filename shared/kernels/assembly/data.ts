// Images are kept as bytes and scaled when a batch is gathered, through a table of 256 values.
import { splat } from './arithmetic';
import { PANEL_BYTES } from './products';

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
        for (let j = 0; j < 16; j++) store<f32>(row + ((<usize>j) << 2), scaled(table, image + <usize>(i + j)));
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
function scaled(table: usize, pixel: usize): f32 {
  return load<f32>(table + ((<usize>load<u8>(pixel)) << 2));
}
