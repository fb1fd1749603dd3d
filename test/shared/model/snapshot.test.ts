/** Snapshots: to the flat vector and back, out of a file, and the two digests. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import { type SafetensorsFile, type StoredTensor, snapshotFrom } from '../../../shared/model/safetensors.ts';
import {
  counterNames,
  resetRunningStats,
  restoreSnapshot,
  type Snapshot,
  stateDigest,
  takeSnapshot,
  weightsDigest,
  withFreshStats,
} from '../../../shared/model/snapshot.ts';
import { refusal } from '../../helpers/refusal.ts';

const architecture = parseArchitecture('dense(3) batchnorm dense(2) batchnorm', [5], 2, 'model');
const counters = new Map([
  ['1.num_batches_tracked', 7n],
  ['3.num_batches_tracked', 2n ** 40n],
]);

/** A flat vector in which every value is another one, padding 0. */
function filled(): Float32Array {
  const flat = new Float32Array(architecture.flatSize);
  const tensors = new Map(
    architecture.tensors.map(({ name, shape }, i) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, j) => 100 * (i + 1) + j),
    ]),
  );
  restoreSnapshot(architecture, { tensors, counters }, flat);
  return flat;
}

t.test('the counters are those of the batch normalisations, in model order', (t) => {
  t.same(counterNames(architecture), [...counters.keys()]);
  t.end();
});

t.test('a snapshot put back is the flat vector it was taken from', (t) => {
  const flat = filled();
  const back = new Float32Array(architecture.flatSize).fill(9);
  restoreSnapshot(architecture, takeSnapshot(architecture, flat, counters), back);
  t.same(back, flat);
  t.end();
});

t.test('a snapshot is a copy', (t) => {
  const flat = filled();
  const given = new Map(counters);
  const snapshot = takeSnapshot(architecture, flat, given);
  const before = weightsDigest(snapshot);
  flat.fill(0);
  given.clear();
  t.equal(weightsDigest(snapshot), before);
  t.end();
});

t.test('running statistics are set back to 0 and 1, weights, biases and padding are left alone', (t) => {
  const flat = filled();
  const before = takeSnapshot(architecture, flat, counters);
  resetRunningStats(architecture, flat);
  const after = takeSnapshot(architecture, flat, counters);
  for (const [name, values] of after.tensors) {
    const expected = name.endsWith('running_mean')
      ? values.map(() => 0)
      : name.endsWith('running_var')
        ? values.map(() => 1)
        : before.tensors.get(name);
    t.same(values, expected, name);
  }
  const back = new Float32Array(architecture.flatSize);
  restoreSnapshot(architecture, after, back);
  t.same(back, flat, 'no padding was written');
  const fresh = withFreshStats(architecture, before);
  t.same(fresh.tensors, after.tensors);
  t.same(
    [...fresh.counters],
    [...counters.keys()].map((name) => [name, 0n]),
  );
  t.end();
});

/** The bytes that the digests are over, restated: little-endian, one value behind the other. */
function bytesOf(snapshot: Snapshot): Buffer {
  const parts = [...snapshot.tensors.values()].flatMap((values) =>
    [...values].map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value);
      return bytes;
    }),
  );
  for (const counter of snapshot.counters.values()) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(counter);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

const hashOf = (...parts: Uint8Array[]): string =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex');

t.test('the weights digest is over the F32 tensors, then the counters, little-endian, nothing else', (t) => {
  const snapshot = takeSnapshot(architecture, filled(), counters);
  t.same([...snapshot.tensors.keys()].slice(0, 4), ['0.weight', '0.bias', '1.weight', '1.bias']);
  t.equal(weightsDigest(snapshot), hashOf(bytesOf(snapshot)));
  // The digest of these values for as long as there is version 1 of the arithmetic.
  t.equal(weightsDigest(snapshot), '0007a937cf103e2058185ab08c1d8107f96a5fc6d07f1721220e02721538335e');
  const other = takeSnapshot(architecture, filled(), new Map([...counters, ['1.num_batches_tracked', 8n]]));
  t.not(weightsDigest(other), weightsDigest(snapshot));
  t.end();
});

t.test('the state digest adds the optimizer’s state of trained tensors, epoch, step and loss', (t) => {
  const snapshot = takeSnapshot(architecture, filled(), counters);
  const state = { optimizer: filled().map((value) => -value), epoch: 3, step: 17, lossSum: 0.1 };
  const velocity = takeSnapshot(architecture, state.optimizer, new Map());
  const trained = new Map([...velocity.tensors].filter(([name]) => !name.includes('running')));
  const cursor = Buffer.alloc(24);
  for (const [i, value] of [3, 17, 0.1].entries()) cursor.writeDoubleLE(value, 8 * i);
  const expected = hashOf(bytesOf(snapshot), bytesOf({ tensors: trained, counters: new Map() }), cursor);
  t.equal(stateDigest(architecture, snapshot, state), expected);
  for (const change of [{ epoch: 4 }, { step: 18 }, { lossSum: 0.2 }, { optimizer: filled() }]) {
    t.not(stateDigest(architecture, snapshot, { ...state, ...change }), expected, Object.keys(change).join());
  }
  const running = architecture.tensors.find(({ role }) => role === 'runningMean');
  const optimizer = state.optimizer.map((value, i) => (i === running?.offset ? 5 : value));
  t.equal(stateDigest(architecture, snapshot, { ...state, optimizer }), expected, 'no state beside a mean');
  t.end();
});

t.test('early stopping adds epochs that were not better, then the best one and its data section', (t) => {
  const snapshot = takeSnapshot(architecture, filled(), counters);
  const state = { optimizer: filled(), epoch: 3, step: 17, lossSum: 0.1 };
  const digest = (more: object) => stateDigest(architecture, snapshot, { ...state, ...more });
  const plain = digest({});
  t.equal(digest({ stopping: null }), plain, 'without it nothing is added');
  const velocity = takeSnapshot(architecture, state.optimizer, new Map());
  const trained = new Map([...velocity.tensors].filter(([name]) => !name.includes('running')));
  const doubles = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, 8 * i);
    return bytes;
  };
  const before = [bytesOf(snapshot), bytesOf({ tensors: trained, counters: new Map() }), doubles(3, 17, 0.1)];
  t.equal(digest({ stopping: { worse: 2, best: null } }), hashOf(...before, doubles(2)));
  const flat = filled().map((value) => value / 2);
  const best = { value: 0.7, epoch: 2, snapshot: takeSnapshot(architecture, flat, counters) };
  const expected = hashOf(...before, doubles(1, 2, 0.7), bytesOf(best.snapshot));
  t.equal(digest({ stopping: { worse: 1, best } }), expected);
  for (const change of [{ value: 0.8 }, { epoch: 1 }, { snapshot }]) {
    t.not(digest({ stopping: { worse: 1, best: { ...best, ...change } } }), expected);
  }
  t.not(digest({ stopping: { worse: 0, best } }), expected);
  t.end();
});

/** A file with these changes to its tensors; null takes one out. */
function fileWith(changes: Record<string, StoredTensor | null>): SafetensorsFile {
  const snapshot = takeSnapshot(architecture, filled(), counters);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, shape } of architecture.tensors) {
    tensors.set(name, { dtype: 'F32', shape, values: snapshot.tensors.get(name) ?? new Float32Array() });
  }
  for (const [name, value] of counters) {
    tensors.set(name, { dtype: 'I64', shape: [], values: BigInt64Array.of(value) });
  }
  for (const [name, tensor] of Object.entries(changes)) {
    if (tensor === null) tensors.delete(name);
    else tensors.set(name, tensor);
  }
  return { tensors, metadata: {} };
}

const pick = (changes: Record<string, StoredTensor | null>): Snapshot =>
  snapshotFrom(fileWith(changes), architecture, 'file');
const f32 = (shape: number[]): StoredTensor => ({
  dtype: 'F32',
  shape,
  values: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

t.test('a file with the right tensors in any order is a snapshot in model order', (t) => {
  const file = fileWith({});
  const turned = { tensors: new Map([...file.tensors].reverse()), metadata: {} };
  const snapshot = snapshotFrom(turned, architecture, 'file');
  t.equal(weightsDigest(snapshot), weightsDigest(takeSnapshot(architecture, filled(), counters)));
  t.end();
});

t.test('counters may be missing and are 0 then', (t) => {
  t.same(
    [...pick({ '1.num_batches_tracked': null }).counters],
    [
      ['1.num_batches_tracked', 0n],
      ['3.num_batches_tracked', 2n ** 40n],
    ],
  );
  t.end();
});

const fit = 'file: its tensors do not fit the model "dense(3) batchnorm dense(2) batchnorm":';
const two = BigInt64Array.of(1n, 2n);

/** What is changed, and the message. */
const refusals: readonly (readonly [Record<string, StoredTensor | null>, string])[] = [
  [{ '0.bias': null }, `${fit} missing "0.bias", too many none`],
  [{ '4.weight': f32([2]) }, `${fit} missing none, too many "4.weight"`],
  [
    { '0.bias': null, '1.bias': null, a: f32([1]), '\u001b[2J': f32([1]) },
    `${fit} missing "0.bias, 1.bias", too many "a, \\u001b[2J"`,
  ],
  [{ '0.weight': f32([5, 3]) }, 'file: tensor 0.weight is F32 (5, 3), expected F32 (3, 5)'],
  [{ '0.weight': f32([15]) }, 'file: tensor 0.weight is F32 (15), expected F32 (3, 5)'],
  [{ '0.bias': f32([4]) }, 'file: tensor 0.bias is F32 (4), expected F32 (3)'],
  [
    { '2.bias': { dtype: 'I64', shape: [2], values: two } },
    'file: tensor 2.bias is I64 (2), expected F32 (2)',
  ],
];

for (const [changes, message] of refusals) {
  t.test(`refused: ${JSON.stringify(message.slice(0, 100))}`, (t) => {
    t.equal(
      refusal(() => pick(changes), 'DATA'),
      message,
    );
    t.end();
  });
}

t.test('a counter of another dtype or shape is refused, not taken for 0', (t) => {
  for (const wrong of [f32([]), f32([1]), { dtype: 'I64', shape: [2], values: two } as const]) {
    t.match(
      refusal(() => pick({ '1.num_batches_tracked': wrong }), 'DATA'),
      /1\.num_batches_tracked/,
    );
  }
  t.end();
});
