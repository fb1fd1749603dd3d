/** The products of the fast builds against the slow twin, over ragged shapes. */
import fc from 'fast-check';
import t from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import type { SharedMemory } from '../../../shared/kernels/webassembly.ts';
import { holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';
import { withUnfusedDense } from '../../helpers/unfused.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const rows = fc.integer({ min: 0, max: 13 });
const depth = fc.integer({ min: 1, max: 37 });
const panels = fc.integer({ min: 1, max: 4 });
/** Unused columns between rows. */
const gap = fc.integer({ min: 0, max: 2 });

/** Rows cut into shards, and a node over some of them. */
const sharded = fc
  .record({ rows, shardSize: fc.integer({ min: 1, max: 15 }) })
  .chain(({ rows, shardSize }) => {
    const shards = Math.max(1, Math.ceil(rows / shardSize));
    return fc.record({
      rows: fc.constant(rows),
      shardSize: fc.constant(shardSize),
      node: fc
        .tuple(fc.nat(shards - 1), fc.nat(shards - 1))
        .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b) + 1]),
    });
  });

/** A run of panel rows: multiples of eight floats, at least one. */
const runOf = (units: number) =>
  fc
    .tuple(fc.nat(units - 1), fc.nat(units - 1))
    .map(([a, b]): [number, number] => [8 * Math.min(a, b), 8 * (Math.max(a, b) + 1)]);

t.test('dense: every build gives the twin’s bits, with and without a bias', (t) => {
  holdEqual(
    t,
    builds,
    fc.record({ rows, depth, panels, gap, hasBias: fc.boolean() }),
    ({ rows, depth, panels, gap, hasBias }, area) => {
      const xStride = 4 * (depth + gap);
      const yStride = 32 * (panels + gap);
      const x = area.take((rows * xStride) / 4);
      const w = area.take(depth * panels * 8);
      const bias = hasBias ? area.take(panels * 8) : 0;
      const y = area.take((rows * yStride) / 4);
      return (kernels) => kernels.dense(x, xStride, w, bias, y, yStride, rows, depth, panels);
    },
  );
  t.end();
});

t.test('denseWeightGradient: every build gives the twin’s bits for any node and run of floats', (t) => {
  holdEqual(
    t,
    builds,
    fc
      .record({ sharded, depth, panels, gap })
      .chain((shape) => fc.record({ shape: fc.constant(shape), run: runOf(shape.depth * shape.panels) })),
    ({ shape: { sharded, depth, panels, gap }, run: [from, to] }, area) => {
      const { rows, shardSize, node } = sharded;
      const xStride = 4 * (depth + gap);
      const dyStride = 32 * (panels + gap);
      const x = area.take((rows * xStride) / 4);
      const dy = area.take((rows * dyStride) / 4);
      const out = area.take(to - from);
      const stack = area.takeStack();
      const [lo, hi] = node;
      return (kernels) =>
        kernels.denseWeightGradient(
          x,
          xStride,
          dy,
          dyStride,
          rows,
          shardSize,
          lo,
          hi,
          depth,
          from,
          to,
          out,
          stack,
        );
    },
    600,
  );
  t.end();
});

t.test('columnSums: every build gives the twin’s bits for any node and run of columns', (t) => {
  holdEqual(
    t,
    builds,
    fc.record({ sharded, run: runOf(4), gap }),
    ({ sharded: { rows, shardSize, node }, run: [from, to], gap }, area) => {
      const stride = 32 * (4 + gap);
      const dy = area.take((rows * stride) / 4);
      const out = area.take(to - from);
      const stack = area.takeStack();
      const [lo, hi] = node;
      return (kernels) => kernels.columnSums(dy, stride, rows, shardSize, lo, hi, from, to, out, stack);
    },
  );
  t.end();
});

t.test('transpose: every build gives the twin’s bits', (t) => {
  holdEqual(
    t,
    builds,
    fc.record({ depth, width: fc.integer({ min: 1, max: 37 }) }),
    ({ depth, width }, area) => {
      const w = area.take(depth * 8 * Math.ceil(width / 8));
      const out = area.take(width * 8 * Math.ceil(depth / 8));
      return (kernels) => kernels.transpose(w, depth, width, out);
    },
  );
  t.end();
});

t.test('transpose swaps rows and columns, pads with +0, and gives the matrix back when done twice', (t) => {
  const [depth, width] = [11, 19];
  const [w, out, back] = [64, 8192, 16_384];
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer).fill(-1);
    const at = (base: number, rowCount: number, row: number, column: number): number =>
      floats[base / 4 + (Math.floor(column / 8) * rowCount + row) * 8 + (column % 8)];
    floats.set(drawFloats(depth * 24, randomWords(seed), 'mild'), w / 4);
    const kernels = instantiate(memory);
    kernels.transpose(w, depth, width, out);
    kernels.transpose(out, width, depth, back);
    let wrong = 0;
    for (let k = 0; k < depth; k++) {
      for (let o = 0; o < width; o++) {
        if (!Object.is(at(out, width, o, k), at(w, depth, k, o))) wrong++;
        if (!Object.is(at(back, depth, k, o), at(w, depth, k, o))) wrong++;
      }
      for (let o = width; o < 24; o++) if (!Object.is(at(back, depth, k, o), 0)) wrong++;
    }
    for (let o = 0; o < width; o++) {
      for (let k = depth; k < 16; k++) if (!Object.is(at(out, width, o, k), 0)) wrong++;
    }
    t.equal(wrong, 0, name);
  }
  t.end();
});

t.test('the values are such that unfused products give other bits', (t) => {
  const [rows, depth, panels] = [4, 9, 2];
  const results = [twinKernels, withUnfusedDense].map((instantiate: (m: SharedMemory) => Kernels) => {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    floats.set(drawFloats(1000, randomWords(seed), 'mild'));
    instantiate(memory).dense(64, 64, 512, 0, 4096, 64, rows, depth, panels);
    return floats.slice(1024, 1024 + rows * 16);
  });
  const different = results[0].filter((value, i) => !Object.is(value, results[1][i])).length;
  t.comment(`${different} of ${rows * 16} sums differ`);
  t.ok(different > 0);
  t.end();
});
