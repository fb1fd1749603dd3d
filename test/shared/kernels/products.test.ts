/** The products of the fast builds against the slow twin, over ragged shapes. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type Kernels, panelCount, stackBytes } from '../../../shared/kernels/kernels.ts';
import { at } from '../../../shared/kernels/twin/memory.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import type { SharedMemory } from '../../../shared/kernels/webassembly.ts';
import {
  type Area,
  gap,
  holdEqual,
  kernelBuilds,
  newMemory,
  runOf,
  seed,
  strideOf,
} from '../../helpers/kernels.ts';
import { withUnfusedDense } from '../../helpers/unfused.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const depth = fc.integer({ min: 1, max: 70 });
const panels = fc.integer({ min: 1, max: 6 });
const shardCount = fc.integer({ min: 1, max: 20 });
const mostRows = 60;

interface Shards {
  readonly rows: number;
  readonly shardSize: number;
  readonly shards: number;
}

/** Up to 60 rows cut into up to 20 shards, the last one often short. */
const sharded = fc
  .record({ shards: shardCount, size: fc.nat(), missing: fc.nat() })
  .map(({ shards, size, missing }): Shards => {
    const shardSize = 1 + (size % Math.floor(mostRows / shards));
    return { rows: shards * shardSize - (missing % shardSize), shardSize, shards };
  });

/** The same, and a node over some of the shards: half of the time all of them. */
const shardedNode = sharded.chain((shape) => {
  const leaf = fc.nat(shape.shards - 1);
  const some = fc.tuple(leaf, leaf).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b) + 1]);
  const node = fc.oneof(fc.constant<[number, number]>([0, shape.shards]), some);
  return fc.record({ shape: fc.constant(shape), node });
});

/** x (rows, depth) and dY (rows, 16·panels), and a run of floats of the weight between them. */
const gradients = fc
  .record({ sharded: shardedNode, depth, panels, xGap: gap, dyGap: gap })
  .chain((of) => fc.record({ of: fc.constant(of), run: runOf(of.depth * of.panels) }));

function takeFactors(
  area: Area,
  { rows }: Shards,
  { depth, panels, xGap, dyGap }: { depth: number; panels: number; xGap: number; dyGap: number },
): [x: number, xStride: number, dy: number, dyStride: number] {
  const x = area.takeMatrix({ rows, panels: panelCount(depth), gap: xGap });
  const dy = area.takeMatrix({ rows, panels, gap: dyGap });
  return [x, strideOf({ rows, gap: xGap }), dy, strideOf({ rows, gap: dyGap })];
}

/** Tells which numbers of shards were merged, and that none up to 20 was left out. */
function holdAllCounts(t: Test, seen: ReadonlySet<number>): void {
  const missed = Array.from({ length: 20 }, (_, i) => i + 1).filter((count) => !seen.has(count));
  t.same(missed, [], 'every number of shards from 1 to 20 was merged');
}

t.test('dense: every build gives the twin’s bits, with and without a bias', (t) => {
  const seen = new Set<number>();
  holdEqual(
    t,
    builds,
    fc.record({ rows: fc.nat(40), depth, panels, xGap: gap, yGap: gap, hasBias: fc.boolean() }),
    ({ rows, depth, panels, xGap, yGap, hasBias }, area) => {
      seen.add(rows);
      const x = area.takeMatrix({ rows, panels: panelCount(depth), gap: xGap });
      const w = area.take(depth * panels * 16);
      const bias = hasBias ? area.take(panels * 16) : 0;
      const y = area.takeMatrix({ rows, panels, gap: yGap });
      const [xStride, yStride] = [strideOf({ rows, gap: xGap }), strideOf({ rows, gap: yGap })];
      return (kernels) => kernels.dense(x, xStride, w, bias, y, yStride, rows, depth, 16 * panels);
    },
    500,
  );
  t.equal(seen.size, 41, 'every number of rows from 0 to 40');
  t.end();
});

t.test('dense: weights that no cache holds, over many panels of x', (t) => {
  for (const [depth, panels] of [
    [6001, 7],
    [2400, 8],
  ]) {
    const [rows, x] = [5, 64];
    const stride = 64 * rows;
    const w = x + stride * panelCount(depth);
    const y = w + 64 * depth * panels;
    const end = y + panels * stride;
    const outputs = builds.map(({ instantiate }) => {
      const memory = newMemory(Math.ceil(end / 65_536) + 1);
      const floats = new Float32Array(memory.buffer);
      const pool = drawFloats(10_007, randomWords(seed), 'mild'); // no multiple of a row
      for (let i = x / 4; i < y / 4; i += pool.length) floats.set(pool.subarray(0, y / 4 - i), i);
      instantiate(memory).dense(x, stride, w, 0, y, stride, rows, depth, 16 * panels);
      t.ok(floats.subarray(end / 4).every((value) => value === 0));
      return floats.slice(y / 4, end / 4);
    });
    for (const [i, { name }] of builds.entries()) {
      const different = outputs[i].findIndex((value, place) => !Object.is(value, outputs[0][place]));
      t.equal(different, -1, `${name} gives the twin’s bits over (${depth}, ${16 * panels})`);
    }
    t.ok(outputs[0].every((value) => value !== 0 && Number.isFinite(value)));
  }
  t.end();
});

t.test('denseWeightGradient: every build gives the twin’s bits for any node and run of floats', (t) => {
  const seen = new Set<number>();
  holdEqual(
    t,
    builds,
    gradients,
    ({ of, run: [from, to] }, area) => {
      const { shape, node } = of.sharded;
      const { rows, shardSize } = shape;
      const [lo, hi] = node;
      seen.add(hi - lo);
      const [x, xStride, dy, dyStride] = takeFactors(area, shape, of);
      const out = area.take(to - from);
      const { stack } = area;
      const { depth } = of;
      const width = 16 * of.panels;
      return ({ denseWeightGradient: gradient }) =>
        gradient(x, xStride, dy, dyStride, rows, shardSize, lo, hi, depth, width, from, to, out, stack);
    },
    600,
  );
  holdAllCounts(t, seen);
  t.end();
});

const rules = fc.record({
  rate: fc.constantFrom(0, 0.1, 0.05, 1e-46, 3e38),
  // 1e-46 is 0 as binary32: then there is no velocity.
  momentum: fc.constantFrom(0, 1e-46, 0.9, 1e-45, 0.999),
  decay: fc.constantFrom(0, 1e-46, 1e-4, 0.5),
  nesterov: fc.constantFrom(0, 1),
});

t.test('denseWeightUpdate: every build gives the twin’s bits and verdict for any run of floats', (t) => {
  const seen = new Set<number>();
  const verdicts = holdEqual(
    t,
    builds,
    fc.record({ gradients, rule: rules }),
    ({ gradients: { of, run }, rule: { rate, momentum, decay, nesterov } }, area) => {
      const { shape } = of.sharded;
      const { rows, shardSize, shards } = shape;
      const sizes = [of.depth, 16 * of.panels] as const;
      const [from, to] = run;
      seen.add(shards);
      const [x, xStride, dy, dyStride] = takeFactors(area, shape, of);
      const [w, v, newW, newV] = [0, 1, 2, 3].map(() => area.take(to - from));
      const rule = area.put([rate, momentum, decay, nesterov]);
      const factors = [x, xStride, dy, dyStride, rows, shardSize] as const;
      const places = [w, v, newW, newV, rule, area.stack] as const;
      const checksum = area.takeChecksum();
      return ({ denseWeightUpdate: update }) =>
        update(...factors, ...sizes, from, to, ...places, from, checksum);
    },
    600,
  );
  holdAllCounts(t, seen);
  t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
  t.end();
});

t.test('denseWeightUpdate is denseWeightGradient and then sgd, in every build', (t) => {
  let [finite, notFinite] = [0, 0];
  const [x, dy, place, rulePlace, stack] = [64, 32_768, 65_536, 131_072, 196_608];
  const sums = [rulePlace + 64, rulePlace + 128] as const;
  const size = 4096; // bytes of a run
  const sides = builds.map(({ name, instantiate }) => {
    const memory = newMemory(5);
    const { buffer } = memory;
    return {
      name,
      kernels: instantiate(memory),
      floats: new Float32Array(buffer),
      words: new BigUint64Array(buffer),
    };
  });
  fc.assert(
    fc.property(sharded, fc.integer({ min: 1, max: 40 }), rules, fc.nat(), (shape, depth, rule, start) => {
      const { rows, shardSize, shards } = shape;
      const random = randomWords(start);
      const values = drawFloats(131_072 / 4, random, random() % 2 === 0 ? 'mild' : 'hostile');
      const first = 16 * (random() % depth);
      const to = first + 16 * (1 + (random() % Math.min(2 * depth - first / 16, size / 64)));
      const stride = 64 * rows;
      return sides.every(({ kernels, floats, words }) => {
        floats.set(values);
        for (const sum of sums) words[sum / 8] = 5n;
        floats.set([rule.rate, rule.momentum, rule.decay, rule.nesterov], rulePlace / 4);
        const [w, v, g, ...out] = Array.from({ length: 7 }, (_, i) => place + i * size);
        const factors = [x, stride, dy, stride, rows, shardSize] as const;
        kernels.denseWeightGradient(...factors, 0, shards, depth, 48, first, to, g, stack);
        const apart = kernels.sgd(w, g, v, out[0], out[1], to - first, rulePlace, first, sums[0]);
        // Without momentum neither writes a velocity, and both places must be alike before.
        floats.copyWithin(out[3] / 4, (place + 4 * size) / 4, (place + 5 * size) / 4);
        if (Math.fround(rule.momentum) === 0) floats.fill(0, out[1] / 4, (out[1] + size) / 4);
        if (Math.fround(rule.momentum) === 0) floats.fill(0, out[3] / 4, (out[3] + size) / 4);
        const fused = kernels.denseWeightUpdate(
          ...factors,
          ...[depth, 48, first, to],
          ...[w, v, out[2], out[3]],
          ...[rulePlace, stack, first, sums[1]],
        );
        if (apart === 0) finite++;
        else notFinite++;
        const same = (a: number, b: number): boolean => {
          for (let i = 0; i < to - first; i++) {
            if (!Object.is(floats[a / 4 + i], floats[b / 4 + i])) return false;
          }
          return true;
        };
        const isSameSum = apart === 1 || words[sums[0] / 8] === words[sums[1] / 8];
        return apart === fused && same(out[0], out[2]) && same(out[1], out[3]) && isSameSum;
      });
    }),
    { seed, numRuns: 200 },
  );
  t.ok(finite > 50 && notFinite > 50, `${finite} were finite, ${notFinite} not`);
  t.end();
});

t.test('denseWeightUpdate notices one value that is not finite in any row and column', (t) => {
  const [rows, depth, panels] = [5, 37, 2];
  const [x, dy, w, newW, newV, rule] = [64, 2048, 4096, 16_384, 32_768, 65_472];
  const stride = 64 * rows;
  const size = 16 * depth * panels;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(3);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    const verdict = (from = 0, to = size) =>
      kernels.denseWeightUpdate(
        ...[x, stride, dy, stride, rows, 2, depth, 16 * panels, from, to],
        ...[w + 4 * from, w + 4 * from, newW, newV, rule, 65_536, from, rule + 16],
      );
    const wrong: string[] = [];
    const judge = (what: string, got: number, expected: 0 | 1): void => {
      if (got !== expected) wrong.push(what);
    };
    floats.fill(1, 0, rule / 4);
    for (const momentum of [0, 0.5]) {
      floats.set([0.1, momentum, 0.01, 0], rule / 4);
      judge('finite', verdict(), 0);
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (let k = 0; k < depth; k++) {
          const place = at(x, stride, k % rows, k) / 4;
          floats[place] = bad;
          judge(`row ${k}`, verdict(), 1);
          judge(`row ${k}, alone`, verdict(16 * k, 16 * (k + 1)), 1);
          if (k > 0) judge(`rows before ${k}`, verdict(0, 16 * k), 0);
          if (k < depth - 1) judge(`rows behind ${k}`, verdict(16 * (k + 1), 16 * depth), 0);
          floats[place] = 1;
        }
        for (let o = 0; o < 16 * panels; o++) {
          const place = at(dy, stride, o % rows, o) / 4;
          floats[place] = bad;
          judge(`column ${o}`, verdict(), 1);
          judge(`column ${o}, the other panel`, o < 16 ? verdict(size / 2) : verdict(0, size / 2), 0);
          floats[place] = 1;
        }
        for (let i = 0; i < size; i += 7) {
          floats[w / 4 + i] = bad;
          judge(`weight ${i}`, verdict(), 1);
          floats[w / 4 + i] = 1;
        }
      }
    }
    t.same(wrong, [], name);
  }
  t.end();
});

t.test('columnSums: every build gives the twin’s bits for any node and run of columns', (t) => {
  const seen = new Set<number>();
  holdEqual(
    t,
    builds,
    fc.record({ sharded: shardedNode, run: runOf(7), gap }),
    ({ sharded: { shape, node }, run: [from, to], gap }, area) => {
      const { rows, shardSize } = shape;
      const [lo, hi] = node;
      seen.add(hi - lo);
      const stride = strideOf({ rows, gap });
      const dy = area.takeMatrix({ rows, panels: 7, gap });
      const out = area.take(to - from);
      const { stack } = area;
      return (kernels) => kernels.columnSums(dy, stride, rows, shardSize, lo, hi, from, to, out, stack);
    },
    600,
  );
  holdAllCounts(t, seen);
  t.end();
});

t.test('no scratch is used beyond stackBytes, however many shards there are', (t) => {
  // A tree of 2¹⁶ − 1 shards has a subtree left over at each of its sixteen levels.
  const [shards, depth] = [2 ** 16 - 1, 70];
  const stride = 64 * shards;
  const [x, out] = [64, 128 + panelCount(depth) * stride];
  const stack = out + 64 * 1024;
  const pages = Math.ceil((stack + stackBytes + 65_536) / 65_536);
  for (const { name, instantiate } of builds.filter(({ name }) => name !== 'twin')) {
    const memory = newMemory(pages);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    floats.fill(1, x / 4, out / 4);
    floats.fill(7, (stack + stackBytes) / 4);
    const [mean, m2] = [out + 1024, out + 2048];
    const whole = [depth, 16, 0, 16 * depth] as const;
    kernels.denseWeightGradient(x, stride, x, stride, shards, 1, 0, shards, ...whole, out, stack);
    t.ok(
      floats.slice(out / 4, out / 4 + 16 * depth).every((sum) => sum === shards),
      `${name}: a gradient`,
    );
    kernels.columnSums(x, stride, shards, 1, 0, shards, 0, 16, out, stack);
    t.equal(floats[out / 4 + 15], shards, `${name}: column sums`);
    t.equal(kernels.mergeSums(x, 64, 0, shards, 0, 16, out, stack), 0);
    t.equal(floats[out / 4 + 15], shards, `${name}: merged sums`);
    // Overlapping slots: means and M2s are 1.
    kernels.mergeMoments(x, 64, 0, shards, 1, 0, shards, 0, 16, mean, m2, stack);
    t.same([floats[mean / 4 + 15], floats[m2 / 4 + 15]], [1, shards], `${name}: merged moments`);
    t.ok(
      floats.subarray((stack + stackBytes) / 4).every((value) => value === 7),
      `${name}: nothing behind scratch was written`,
    );
  }
  t.end();
});

t.test('transpose: every build gives the twin’s bits', (t) => {
  holdEqual(
    t,
    builds,
    fc.record({ depth, width: fc.integer({ min: 1, max: 50 }) }),
    ({ depth, width }, area) => {
      const w = area.take(depth * 16 * panelCount(width));
      const out = area.take(width * 16 * panelCount(depth));
      return (kernels) => kernels.transpose(w, depth, width, out);
    },
    500,
  );
  t.end();
});

t.test('transpose swaps rows and columns, pads with +0, and gives the matrix back when done twice', (t) => {
  for (const [depth, width] of [
    [11, 19],
    [20, 35],
    [33, 16],
  ]) {
    const [depthPanels, widthPanels] = [panelCount(depth), panelCount(width)];
    const [w, out, back] = [64, 16_384, 32_768];
    for (const { name, instantiate } of builds) {
      const memory = newMemory(1);
      const floats = new Float32Array(memory.buffer).fill(-1);
      const get = (base: number, rowCount: number, row: number, column: number): number =>
        floats[at(base, 64 * rowCount, row, column) / 4];
      floats.set(drawFloats(depth * 16 * widthPanels, randomWords(seed), 'mild'), w / 4);
      const kernels = instantiate(memory);
      kernels.transpose(w, depth, width, out);
      kernels.transpose(out, width, depth, back);
      let wrong = 0;
      for (let k = 0; k < depth; k++) {
        for (let o = 0; o < width; o++) {
          if (!Object.is(get(out, width, o, k), get(w, depth, k, o))) wrong++;
          if (!Object.is(get(back, depth, k, o), get(w, depth, k, o))) wrong++;
        }
        for (let o = width; o < 16 * widthPanels; o++) if (!Object.is(get(back, depth, k, o), 0)) wrong++;
      }
      for (let o = 0; o < width; o++) {
        for (let k = depth; k < 16 * depthPanels; k++) if (!Object.is(get(out, width, o, k), 0)) wrong++;
      }
      const behind = back / 4 + depth * 16 * widthPanels;
      if (floats[behind] !== -1 || floats[out / 4 + width * 16 * depthPanels] !== -1) wrong++;
      t.equal(wrong, 0, `${name}: (${depth}, ${width})`);
    }
  }
  t.end();
});

t.test('of a width that fills no panel all columns are the twin’s, and its padding gets no gradient', (t) => {
  const [rows, depth, stride] = [9, 50, 64 * 9];
  const [x, w, dy, y, gradient, newW, rule, stack] = [
    64, 4096, 16_384, 32_768, 49_152, 65_536, 98_304, 131_072,
  ];
  const sides = builds.map(({ name, instantiate }) => {
    const memory = newMemory(4);
    return { name, kernels: instantiate(memory), floats: new Float32Array(memory.buffer) };
  });
  for (let width = 1; width <= 40; width++) {
    const panels = panelCount(width);
    const isPadding = (column: number): boolean => column >= width;
    const [first, ...others] = sides.map(({ name, kernels, floats }) => {
      floats.fill(0).set(drawFloats(8000, randomWords(seed + width), 'mild'));
      floats.fill(0, gradient / 4);
      floats.set([0.5, 0, 0, 0], rule / 4);
      for (let column = width; column < 16 * panels; column++) {
        for (let k = 0; k < depth; k++) floats[at(w, 64 * depth, k, column) / 4] = 0;
        for (let r = 0; r < rows; r++) floats[at(dy, stride, r, column) / 4] = 0;
      }
      const size = 16 * panels * depth;
      kernels.dense(x, stride, w, 0, y, stride, rows, depth, width);
      const sums = [x, stride, dy, stride, rows, 2] as const;
      kernels.denseWeightGradient(...sums, 0, 5, depth, width, 0, size, gradient, stack);
      kernels.denseWeightUpdate(
        ...sums,
        depth,
        width,
        0,
        size,
        ...[w, 0, newW, 0, rule, stack],
        0,
        rule + 16,
      );
      const columns = Array.from({ length: 16 * panels }, (_, column) => ({
        y: isPadding(column) ? [] : rowsOf(floats, at(y, stride, 0, column), rows),
        gradient: rowsOf(floats, at(gradient, 64 * depth, 0, column), depth),
        newW: rowsOf(floats, at(newW, 64 * depth, 0, column), depth),
      }));
      return { name, columns };
    });
    for (const { name, columns } of others) {
      const wrong = columns.findIndex(
        (values, i) => JSON.stringify(values) !== JSON.stringify(first.columns[i]),
      );
      if (wrong !== -1) t.fail(`${name}: column ${wrong} of width ${width} is not ${first.name}’s`);
    }
    if (first.columns.slice(width).some(({ newW }) => newW.some((value) => value !== 0)))
      t.fail('padding moved');
  }
  t.pass('widths 1 to 40');
  t.end();
});

function rowsOf(floats: Float32Array, offset: number, rows: number): number[] {
  return Array.from({ length: rows }, (_, row) => floats[offset / 4 + 16 * row]);
}

t.test('padding columns of x and their neighbours beyond the depth count for nothing', (t) => {
  const [rows, depth, stride] = [7, 21, 64 * 9];
  const [x, w, y, gradient, stack] = [64, 2048, 8192, 12_288, 65_536];
  for (const { name, instantiate } of builds) {
    const memory = newMemory(3);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    const results = [3, 1e30, Number.NaN].map((padding) => {
      floats.fill(0);
      floats.set(drawFloats(1000, randomWords(seed), 'mild'), x / 4);
      for (let r = 0; r < 9; r++)
        floats.fill(padding, (x + stride + 64 * r) / 4 + 5, (x + stride + 64 * r) / 4 + 16);
      for (let r = 7; r < 9; r++) floats.fill(padding, (x + 64 * r) / 4, (x + 64 * r) / 4 + 16);
      floats.set(drawFloats(depth * 16, randomWords(seed + 1), 'mild'), w / 4);
      kernels.dense(x, stride, w, 0, y, stride, rows, depth, 16);
      kernels.denseWeightGradient(
        x,
        stride,
        y,
        stride,
        rows,
        3,
        0,
        3,
        depth,
        16,
        0,
        16 * depth,
        gradient,
        stack,
      );
      return floats.slice(y / 4, gradient / 4 + 16 * depth);
    });
    t.same(results[1], results[0], name);
    t.same(results[2], results[0], `${name}: not even if it is NaN`);
    t.ok(results[0].some((value) => value !== 0));
  }
  t.end();
});

t.test('the values are such that unfused products give other bits', (t) => {
  const [rows, depth, panels] = [4, 9, 2];
  const results = [twinKernels, withUnfusedDense].map((instantiate: (m: SharedMemory) => Kernels) => {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    floats.set(drawFloats(1000, randomWords(seed), 'mild'));
    instantiate(memory).dense(64, 64 * rows, 512, 0, 4096, 64 * rows, rows, depth, 16 * panels);
    return floats.slice(1024, 1024 + rows * 16 * panels);
  });
  const different = results[0].filter((value, i) => !Object.is(value, results[1][i])).length;
  t.comment(`${different} of ${rows * 16 * panels} sums differ`);
  t.ok(different > 0);
  t.end();
});
