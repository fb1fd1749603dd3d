/** Initial values: what each tensor starts from, drawn with a key of (seed, tensor). */
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { padded } from '../../../shared/kernels/kernels.ts';
import { type Architecture, parseArchitecture } from '../../../shared/model/architecture.ts';
import {
  canonicalInitialisation,
  initialisationNames,
  initialise,
} from '../../../shared/model/initialisation.ts';
import { takeSnapshot } from '../../../shared/model/snapshot.ts';
import { unpackTensor } from '../../../shared/model/tensors.ts';
import { streamKey, streams } from '../../../shared/random.ts';
import { kernelBuilds, newMemory } from '../../helpers/kernels.ts';
import { refusal } from '../../helpers/refusal.ts';

const builds = kernelBuilds(t);
const memory = newMemory(4);
const scratch = 4096;
const kernels = builds[builds.length - 1].instantiate(memory);

const architecture = parseArchitecture(
  'dense(32) batchnorm relu dense(30) batchnorm(scale=uniform) dense(10)',
  [200],
  10,
  'model',
);

function draw(
  initialisation: string,
  seed: number,
  of: Architecture = architecture,
): Map<string, Float32Array> {
  const flat = new Float32Array(of.flatSize).fill(Number.NaN);
  initialise(of, initialisation, seed, kernels, memory, flat, scratch);
  if (flat.some(Number.isNaN)) throw new Error('a float of the flat vector was left out');
  return new Map(takeSnapshot(of, flat, new Map()).tensors);
}

function valuesOf(tensors: Map<string, Float32Array>, name: string): Float32Array {
  const values = tensors.get(name);
  if (values === undefined) throw new Error(`no tensor ${name}`);
  return values;
}

const isAll = (values: Float32Array, value: number): boolean => values.every((x) => Object.is(x, value));

t.test('biases and shifts are 0, scales 1 or uniform, running means 0, running variances 1', (t) => {
  const tensors = draw('he', 1);
  for (const name of ['0.bias', '1.bias', '3.bias', '4.bias', '5.bias', '1.running_mean', '4.running_mean']) {
    t.ok(isAll(valuesOf(tensors, name), 0), name);
  }
  for (const name of ['1.weight', '1.running_var', '4.running_var']) {
    t.ok(isAll(valuesOf(tensors, name), 1), name);
  }
  const scale = valuesOf(tensors, '4.weight');
  t.ok(scale.every((x) => x >= 0 && x < 1) && new Set(scale).size > 20, '4.weight');
  t.end();
});

/** Each initialisation, and what its values of a weight (out, in) are: bounded, or normal with a deviation. */
const expectations: Record<string, { deviation: number; bound: number }> = {
  he: { deviation: Math.sqrt(2 / 200), bound: Number.POSITIVE_INFINITY },
  glorot: { deviation: Math.sqrt(6 / 232 / 3), bound: Math.sqrt(6 / 232) },
  std_normal: { deviation: 0.01, bound: Number.POSITIVE_INFINITY },
  'std_normal(gain=3)': { deviation: 3, bound: Number.POSITIVE_INFINITY },
  'normal(std=0.5)': { deviation: 0.5, bound: Number.POSITIVE_INFINITY },
  'uniform(range=0.25)': { deviation: 0.25 / Math.sqrt(3), bound: 0.25 },
};

t.test('every initialisation is looked at here', (t) => {
  const looked = Object.keys(expectations).map((text) => text.split('(')[0]);
  t.same([...new Set(looked)].toSorted(), initialisationNames.toSorted());
  t.end();
});

for (const [text, { deviation, bound }] of Object.entries(expectations)) {
  t.test(`${text}: the weights have mean 0 and the deviation that is asked for`, (t) => {
    const weights = valuesOf(draw(text, 7), '0.weight');
    const n = weights.length;
    const mean = weights.reduce((sum, x) => sum + x, 0) / n;
    const square = weights.reduce((sum, x) => sum + x * x, 0) / n;
    // A mean of n is off by its deviation ÷ √n, that of squares by √2 · deviation² ÷ √n (less if uniform). More
    // than 3.3 times as much comes once in 1000 times; the seed is fixed.
    t.ok(Math.abs(mean) <= (3.3 * deviation) / Math.sqrt(n), `mean ${mean}`);
    t.ok(Math.abs(square / deviation ** 2 - 1) <= 3.3 * Math.sqrt(2 / n), `mean square ${square}`);
    // Both ends are within a hundredth of values that are uniform to them.
    const largest = weights.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    t.ok(largest <= Math.fround(bound) && (bound === Number.POSITIVE_INFINITY || largest > 0.99 * bound));
    t.end();
  });
}

t.test('weights are the kernel’s numbers in file order, with the key of (seed, tensor)', (t) => {
  const { floats, seed } = { floats: new Float32Array(memory.buffer), seed: 4_000_000_000 };
  const tensors = draw('normal(std=0.5)', seed);
  for (const [index, { name, role, shape }] of architecture.tensors.entries()) {
    if (role !== 'weight') continue;
    const count = shape[0] * shape[1];
    kernels.normal(scratch, count, ...streamKey(seed, streams.initial, index), 0.5);
    t.same(valuesOf(tensors, name), floats.slice(scratch / 4, scratch / 4 + count), name);
  }
  t.end();
});

t.test('equal seeds give equal values, other seeds and other tensors others', (t) => {
  const twice = parseArchitecture('dense(10) dense(10)', [10], 10, 'model');
  const a = draw('he', 3, twice);
  t.same(draw('he', 3, twice), a);
  t.notSame(valuesOf(draw('he', 4, twice), '0.weight'), valuesOf(a, '0.weight'));
  t.notSame(valuesOf(a, '1.weight'), valuesOf(a, '0.weight'), 'two layers of one shape');
  t.end();
});

t.test('padding is +0', (t) => {
  const flat = new Float32Array(architecture.flatSize).fill(Number.NaN);
  initialise(architecture, 'he', 0, kernels, memory, flat, scratch);
  const { offset, shape } = architecture.tensors[architecture.tensors.length - 2];
  let wrong = 0;
  for (let k = 0; k < shape[1]; k++) {
    for (let o = shape[0]; o < padded(shape[0]); o++) {
      if (!Object.is(flat[offset + (Math.floor(o / 16) * shape[1] + k) * 16 + (o % 16)], 0)) wrong++;
    }
  }
  t.equal(wrong, 0);
  t.end();
});

/** Of the values in file order: the layout of the flat vector is no part of the arithmetic. */
function digestOf(t: Test, text: string): string {
  const digests = builds.map(({ instantiate }) => {
    const memory = newMemory(4);
    const flat = new Float32Array(architecture.flatSize);
    initialise(architecture, text, 5, instantiate(memory), memory, flat, scratch);
    const hash = createHash('sha256');
    for (const tensor of architecture.tensors) {
      const { buffer, byteOffset, byteLength } = unpackTensor(flat, tensor);
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    return hash.digest('hex');
  });
  t.equal(new Set(digests).size, 1, `${text}: ${builds.map(({ name }) => name).join(' = ')}`);
  return digests[0];
}

t.test('every build draws the same bits, for as long as there is version 1 of the arithmetic', (t) => {
  for (const [text, digest] of Object.entries({
    he: '07c7bbdc0162022279396b675a4b802a61f8b791b8f28972cc3189843495ac1d',
    glorot: 'b92f7970fea2b4dc0527b92303fb0932041d3807e185474908dfae196fa93d90',
    std_normal: '420528e9873a2388906f88f399935a42f799406ec72b09aa07073394394e6eb5',
    'normal(std=0.5)': '2b1a5e73c12afd64bc8eefd5dae3cf67a5a18a03d7e57c9b072787a9638c735f',
    'uniform(range=0.25)': 'a3be53ff68ce598e7cb02240a04354409097f6e71b9aa58ab2c6116c0dba8c2f',
  })) {
    t.equal(digestOf(t, text), digest, text);
  }
  t.end();
});

t.test('canonical texts, and what is refused', (t) => {
  for (const [text, canonical] of Object.entries({
    ' he() ': 'he',
    'std_normal(gain=0.01)': 'std_normal',
    'normal(0.5)': 'normal(std=0.5)',
    'normal(std=0)': 'normal(std=0)',
    'uniform(range=5e-2)': 'uniform',
  })) {
    t.equal(canonicalInitialisation(text, '--init'), canonical);
  }
  for (const [text, message] of Object.entries({
    hee: '--init: unknown name "hee", did you mean "he"?',
    'he(2)': '--init: he has no option "2", it takes none',
    'normal(std=-1)': '--init: normal: std: got "-1", expected a number ≥ 0',
    'normal(std=1e39)': '--init: normal: std: got "1e39", expected a number ≥ 0',
    'normal(std=NaN)': '--init: normal: std: got "NaN", expected a number ≥ 0',
    'he glorot': `--init: got "he glorot", expected one of ${initialisationNames.join(', ')}`,
    '': `--init: got "", expected one of ${initialisationNames.join(', ')}`,
  })) {
    t.equal(
      refusal(() => canonicalInitialisation(text, '--init')),
      message,
    );
  }
  t.end();
});
