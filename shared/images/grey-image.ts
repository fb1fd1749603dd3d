/** A grey image: `values` is (height, width), row by row, 0 (black) … 255 (white). */
export interface GreyImage {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}
