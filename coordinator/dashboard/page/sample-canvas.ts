/** A sample of 28×28 bytes as a picture. */
import { element } from './elements.ts';

export const sampleSide = 28;

/** A canvas of (28, 28) bytes, as bright as they are. */
export function sampleCanvas(bytes: Uint8Array, label: string): HTMLCanvasElement {
  const canvas = element('canvas', {
    width: sampleSide,
    height: sampleSide,
    role: 'img',
    'aria-label': label,
    class: 'sample',
  });
  paintGrey(canvas, bytes);
  return canvas;
}

/** Paints grey values, 0 … 255, as many as the canvas has pixels. */
export function paintGrey(canvas: HTMLCanvasElement, values: ArrayLike<number>): void {
  const pen = canvas.getContext('2d');
  if (pen === null) throw new Error('this browser gives no canvas to draw on');
  const picture = pen.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < values.length; i++) {
    picture.data.fill(values[i], 4 * i, 4 * i + 3);
    picture.data[4 * i + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
}
