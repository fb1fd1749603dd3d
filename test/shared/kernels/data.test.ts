/** Gathering a batch: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

t.test('gather: every build gives the twin’s bits in any order of samples', (t) => {
  const cases = fc.record({
    pixels: fc.integer({ min: 1, max: 37 }),
    rows: fc.nat(13),
    first: fc.nat(7),
    gap: fc.nat(1),
    hasOrder: fc.boolean(),
    shift: fc.nat(3),
  });
  holdEqual(t, builds, cases, ({ pixels, rows, first, gap, hasOrder, shift }, area) => {
    const samples = first + rows + 2;
    const stride = 32 * (Math.ceil(pixels / 8) + gap);
    const images = area.take(Math.ceil((samples * pixels) / 4) + 1) + shift;
    const order = hasOrder ? area.putOrder(first + rows, samples) : 0;
    const table = area.take(256);
    const x = area.take((rows * stride) / 4);
    return (kernels) => kernels.gather(images, pixels, order, first, rows, table, x, stride);
  });
  t.end();
});

t.test('gather looks every byte up in the table, follows the order, and leaves the padding alone', (t) => {
  const [images, order, table, x] = [65, 128, 256, 2048];
  const [pixels, stride] = [3, 32];
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer).fill(-1, x / 4);
    new Uint8Array(memory.buffer).set([10, 11, 12, 0, 0, 0, 30, 255, 0], images);
    new Uint32Array(memory.buffer).set([7, 2, 0], order / 4);
    for (let value = 0; value < 256; value++) floats[table / 4 + value] = value / 2;
    instantiate(memory).gather(images, pixels, order, 1, 2, table, x, stride);
    const rest = Array(5).fill(-1);
    const expected = [15, 127.5, 0, ...rest, 5, 5.5, 6, ...rest, ...rest];
    t.same([...floats.slice(x / 4, x / 4 + expected.length)], expected, name);
  }
  t.end();
});
