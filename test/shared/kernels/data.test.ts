/** Gathering a batch: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { panelCount } from '../../../shared/kernels/kernels.ts';
import { gap, holdEqual, kernelBuilds, newMemory, seed, strideOf } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

t.test('gather: every build gives the twin’s bits in any order of samples', (t) => {
  const cases = fc.record({
    pixels: fc.integer({ min: 1, max: 70 }),
    rows: fc.nat(13),
    first: fc.nat(7),
    gap,
    hasOrder: fc.boolean(),
    shift: fc.nat(3),
    /** The share of an image that is background, in runs. */
    background: fc.constantFrom(0, 0.5, 0.9, 1),
  });
  holdEqual(
    t,
    builds,
    cases,
    ({ pixels, rows, first, gap, hasOrder, shift, background }, area) => {
      const samples = first + rows + 2;
      const images = area.take(Math.ceil((samples * pixels) / 4) + 5) + shift;
      for (let i = 0; i < samples * pixels; ) {
        const run = 1 + (area.random() % 40);
        const end = Math.min(i + run, samples * pixels);
        if (area.random() / 2 ** 32 < background) area.bytes.fill(0, images + i, images + end);
        i = end;
      }
      const order = hasOrder ? area.putOrder(first + rows, samples) : 0;
      const table = area.take(256);
      const x = area.takeMatrix({ rows, panels: panelCount(pixels), gap });
      const stride = strideOf({ rows, gap });
      return (kernels) => kernels.gather(images, pixels, order, first, rows, table, x, stride);
    },
    500,
  );
  t.end();
});

t.test('gather looks every byte up in the table, follows the order, and fills the padding with +0', (t) => {
  const [images, order, table, x] = [65, 256, 512, 2048];
  const [pixels, rows, gap] = [19, 2, 1];
  const stride = 64 * (rows + gap);
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer).fill(-1, x / 4);
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(
      Array.from({ length: 3 * pixels }, (_, i) => i + 10),
      images,
    );
    bytes.fill(0, images + 2 * pixels, images + 2 * pixels + 16); // a run of background
    new Uint32Array(memory.buffer).set([7, 2, 0], order / 4);
    for (let value = 0; value < 256; value++) floats[table / 4 + value] = (value - 3) / 2;
    instantiate(memory).gather(images, pixels, order, 1, rows, table, x, stride);
    const image = (first: number, length: number) => Array.from({ length }, (_, i) => (first + i + 7) / 2);
    const left = Array(16).fill(-1);
    const padding = Array(13).fill(0);
    const expected = [
      ...Array(16).fill(-1.5), // byte 0 is −1.5 in this table
      ...image(0, 16),
      ...left,
      ...image(54, 3),
      ...padding,
      ...image(16, 3),
      ...padding,
      ...left,
    ];
    const got = [...floats.slice(x / 4, x / 4 + expected.length)];
    t.same(got, expected, name);
    t.ok(
      got.every((value) => !Object.is(value, -0)),
      `${name}: +0`,
    );
  }
  t.end();
});
