// Images are kept as bytes and scaled when a batch is gathered, through a table of 256 values.

export function gather(
  images: usize, pixels: i32, order: usize, first: i32, rows: i32, table: usize, x: usize, stride: usize,
): void {
  for (let r = 0; r < rows; r++, x += stride) {
    const sample = order != 0 ? load<u32>(order + ((<usize>(first + r)) << 2)) : <u32>(first + r);
    const image = images + <usize>sample * <usize>pixels;
    for (let i: usize = 0; i < <usize>pixels; i++) {
      store<f32>(x + (i << 2), load<f32>(table + ((<usize>load<u8>(image + i)) << 2)));
    }
  }
}
