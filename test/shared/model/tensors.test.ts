/** Where tensors lie in the flat vector, how it is cut into slices, and the way to file order and back. */
import fc from 'fast-check';
import t from 'tap';
import {
  flatSize,
  isTrained,
  packTensor,
  placeTensors,
  sliceOf,
  type Tensor,
  type TensorSpec,
  unpackTensor,
  valueCount,
} from '../../../shared/model/tensors.ts';

const seed = 20261128;
t.comment(`fast-check seed ${seed}`);

const length = fc.integer({ min: 1, max: 40 });
const dense = fc.record({ out: length, depth: length }).map(({ out, depth }): TensorSpec[] => [
  { role: 'weight', shape: [out, depth] },
  { role: 'bias', shape: [out] },
]);
const norm = length.map((width): TensorSpec[] =>
  (['scale', 'shift', 'runningMean', 'runningVariance'] as const).map((role) => ({ role, shape: [width] })),
);
const layers = fc.array(fc.oneof(dense, norm, fc.constant([])), { maxLength: 5 });

t.test('tensors lie one behind the other, each with room for whole panels', (t) => {
  fc.assert(
    fc.property(layers, (layers) => {
      const tensors = placeTensors(layers);
      let next = 0;
      for (const { offset, size, shape } of tensors) {
        const [out, depth = 1] = shape;
        if (offset !== next || size % 16 !== 0 || size < out * depth || size >= (out + 16) * depth)
          return false;
        next += size;
      }
      return flatSize(tensors) === next && tensors.length === layers.flat().length;
    }),
    { seed, numRuns: 300 },
  );
  t.equal(flatSize([]), 0);
  t.end();
});

t.test('a tensor is named after its layer and role, as PyTorch names it', (t) => {
  const names = placeTensors([
    [{ role: 'weight', shape: [2, 3] }],
    [],
    [
      { role: 'scale', shape: [2] },
      { role: 'shift', shape: [2] },
      { role: 'runningMean', shape: [2] },
      { role: 'runningVariance', shape: [2] },
    ],
    [{ role: 'bias', shape: [2] }],
  ]).map(({ name, role }) => [name, isTrained(role)]);
  t.same(names, [
    ['0.weight', true],
    ['2.weight', true],
    ['2.bias', true],
    ['2.running_mean', false],
    ['2.running_var', false],
    ['3.bias', true],
  ]);
  t.end();
});

t.test('what is packed is unpacked, the padding is +0 and the neighbours are left alone', (t) => {
  fc.assert(
    fc.property(layers, fc.nat(), (layers, pick) => {
      const tensors = placeTensors(layers);
      if (tensors.length === 0) return true;
      const tensor = tensors[pick % tensors.length];
      const values = Float32Array.from({ length: valueCount(tensor) }, (_, i) => i + 1);
      const flat = new Float32Array(flatSize(tensors)).fill(-7);
      packTensor(flat, tensor, values);
      const inside = flat.subarray(tensor.offset, tensor.offset + tensor.size);
      const rest = [...flat.subarray(0, tensor.offset), ...flat.subarray(tensor.offset + tensor.size)];
      return (
        unpackTensor(flat, tensor).join() === values.join() &&
        rest.every((value) => value === -7) &&
        [...inside].toSorted((a, b) => a - b).join() ===
          [...Array(tensor.size - values.length).fill(0), ...values].join() &&
        inside.every((value) => !Object.is(value, -0))
      );
    }),
    { seed, numRuns: 300 },
  );
  t.pass('300 tensors');
  t.end();
});

t.test('element (o, k) of a weight of a file is element (k, o) of panels of sixteen columns', (t) => {
  const [tensor] = placeTensors([[{ role: 'weight', shape: [19, 3] }]]);
  const flat = new Float32Array(tensor.size);
  packTensor(
    flat,
    tensor,
    Float32Array.from({ length: 57 }, (_, i) => 100 * Math.floor(i / 3) + (i % 3) + 1),
  );
  const row = (panel: number, k: number) => [...flat.slice((panel * 3 + k) * 16, (panel * 3 + k) * 16 + 16)];
  const hundreds = Array.from({ length: 16 }, (_, o) => 100 * o);
  const padding = Array(13).fill(0);
  t.same(
    row(0, 0),
    hundreds.map((o) => o + 1),
  );
  t.same(
    row(0, 2),
    hundreds.map((o) => o + 3),
  );
  t.same(row(1, 0), [1601, 1701, 1801, ...padding]);
  t.same(row(1, 2), [1603, 1703, 1803, ...padding]);
  t.end();
});

/** Checks that the slices of `size` threads follow each other and cover everything once, in runs of vectors. */
function coversOnce(tensors: readonly Tensor[], size: number): boolean {
  let next = 0;
  for (let rank = 0; rank < size; rank++) {
    for (const { tensor, from, to } of sliceOf(tensors, rank, size)) {
      if (from % 16 !== 0 || to % 16 !== 0 || from >= to || to > tensor.size) return false;
      if (tensor.offset + from !== next) return false;
      next = tensor.offset + to;
    }
  }
  return next === flatSize(tensors);
}

t.test('the slices of 1 to 1024 threads partition the flat vector in multiples of sixteen', (t) => {
  const models = {
    small: placeTensors([[{ role: 'weight', shape: [10, 5] }], [{ role: 'bias', shape: [3] }]]),
    note: placeTensors([
      [
        { role: 'weight', shape: [200, 784] },
        { role: 'bias', shape: [200] },
      ],
      [{ role: 'scale', shape: [200] }],
      [
        { role: 'weight', shape: [10, 200] },
        { role: 'bias', shape: [10] },
      ],
    ]),
    none: [],
  };
  for (const [name, tensors] of Object.entries(models)) {
    const wrong = [];
    for (let size = 1; size <= 1024; size++) if (!coversOnce(tensors, size)) wrong.push(size);
    t.same(wrong, [], name);
  }
  fc.assert(
    fc.property(layers, fc.integer({ min: 1, max: 1024 }), (layers, size) =>
      coversOnce(placeTensors(layers), size),
    ),
    { seed, numRuns: 100 },
  );
  t.end();
});

t.test('slices are as equal as blocks of 256 floats can be, and begin at multiples of these', (t) => {
  const tensors = placeTensors([[{ role: 'weight', shape: [200, 784] }], [{ role: 'bias', shape: [10] }]]);
  for (const size of [1, 2, 3, 7, 8, 64]) {
    const sizes = Array.from({ length: size }, (_, rank) =>
      sliceOf(tensors, rank, size).reduce((sum, { from, to }) => sum + to - from, 0),
    );
    t.ok(Math.max(...sizes) - Math.min(...sizes) <= 256 + 255, `${size}: ${sizes.slice(0, 8)}`);
    const isAligned = Array.from({ length: size }, (_, rank) => sliceOf(tensors, rank, size)[0]).every(
      ({ tensor, from }) => (tensor.offset + from) % 256 === 0,
    );
    t.ok(isAligned, `${size}: a slice begins with a block`);
  }
  t.end();
});
