/** Two runs are compared: a fault of one bit is found at its step, and whose it is. */
import { appendFileSync, copyFileSync, cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compare } from '../../scripts/index.ts';
import { memoryDataset } from '../../shared/data/dataset.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { type Flip, type FolderOptions, trainInto } from '../helpers/run-folders.ts';
import { randomWords } from '../helpers/values.ts';

const seed = 20261202;
const random = randomWords(seed);
const images = Uint8Array.from({ length: 90 * 784 }, (_, i) => (i % 784 === 0 ? 0 : random() % 256));
const labels = Uint8Array.from({ length: 90 }, (_, i) => i % 10);
/** The first pixel is black in all images, so its weights move nothing and are moved by nothing. */
const data = {
  train: { images, labels },
  test: { images: images.slice(0, 20 * 784), labels: labels.slice(0, 20) },
};
const source = memoryDataset(data);
/** Ten steps, five an epoch. */
const fields: RecipeFields = {
  model: 'dense(12) batchnorm relu dense(10)',
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  scale: 'unit',
  batchSize: 20,
  shardSize: 8,
  epochs: 2,
};
/** Row 5 of the weight's file, column 0: the black pixel. */
const idle: Flip = { after: 6, part: 'flat', float: 5, bit: 3 };
/** The same row, column 300. */
const busy: Flip = { after: 6, part: 'flat', float: 16 * 300 + 5, bit: 25 };

const names = {
  good: { keep: (step) => step % 3 === 0 },
  'three threads': { threads: 3, kernels: 'exact' },
  idle: { keep: () => true, flip: idle },
  busy: { keep: () => true, flip: busy },
  state: { keep: () => true, flip: { ...idle, part: 'state', bit: 23 } },
  'busy, kept later': { keep: (step) => step === 2 || step === 9, flip: busy },
  'busy, not kept': { flip: busy },
  short: { stopAfter: 8 },
} as const satisfies Record<string, Omit<FolderOptions, 'source'>>;

const base = t.testdir();
const folder = (name: keyof typeof names) => join(base, name);
for (const [name, options] of Object.entries(names))
  await trainInto(join(base, name), fields, { source, ...options });
const compared = (a: keyof typeof names, b: keyof typeof names) =>
  compare(folder(a), folder(b), { data, threads: 2 });

/** A copy of a run's folder. */
function copyOf(t: Test, name: keyof typeof names, as = 'copy'): string {
  const copy = join(t.testdirName, as);
  cpSync(folder(name), copy, { recursive: true });
  return copy;
}

/** Replaces the digests from a step on, each by another one. */
function breakChain(folder: string, from: number, mask = 1): void {
  const path = join(folder, 'chain');
  writeFileSync(
    path,
    readFileSync(path).map((byte, i) => (i >= 32 * from && i % 32 === 0 ? byte ^ mask : byte)),
  );
}

t.test(
  'runs on other threads and kernels are the same, and so is one that was stopped, as far as it goes',
  async (t) => {
    t.match(await compared('good', 'three threads'), {
      same: true,
      steps: [10, 10],
      fields: [],
      difference: null,
    });
    t.match(await compared('good', 'short'), { same: true, steps: [10, 8], difference: null });
    t.match(await compared('short', 'good'), { same: true, steps: [8, 10], difference: null });
  },
);

t.test(
  'one bit of a weight is found: its step, whose fault it is, tensor, element, both values',
  async (t) => {
    const { same, difference } = await compared('good', 'idle');
    t.notOk(same);
    t.match(difference, { step: 7, fault: 'second', rerun: { from: 6, to: 7 }, missing: [] });
    t.match(difference?.states, { step: 7, place: 'update', tensors: { length: 1 } });
    const [tensor] = difference?.states?.tensors ?? [];
    t.match(tensor, { name: '0.weight', shape: [12, 784], count: 1, index: [5, 0] });
    const [good, bad] = tensor.bits.map(Number);
    t.equal(good ^ bad, 1 << idle.bit);
    t.equal(new Set(difference?.losses).size, 1, 'the same loss');

    const turned = await compared('idle', 'good');
    t.match(turned.difference, { step: 7, fault: 'first', rerun: { from: 6, to: 7 } });
    t.strictSame(turned.difference?.states?.tensors[0].bits, tensor.bits.toReversed());
  },
);

t.test('a weight that matters changes everything, and the forward half of the step is named', async (t) => {
  const { difference } = await compared('good', 'busy');
  t.match(difference, { step: 7, fault: 'second', missing: [] });
  t.equal(new Set(difference?.losses).size, 2, 'two losses');
  t.equal(difference?.states?.step, 7);
  t.equal(difference?.states?.place, 'batch moments of layer 1 (batchnorm)');
  t.ok((difference?.states?.tensors.length ?? 0) > 10, 'nearly all tensors differ');
});

t.test('one bit of the optimizer’s state is found before any weight shows it', async (t) => {
  const { difference } = await compared('good', 'state');
  t.match(difference, { step: 7, fault: 'second' });
  t.match(difference?.states?.tensors, [
    { name: 'optimizer.0.weight', count: 1, index: [5, 0], bits: ['0x00000000', /^0x00[0-9a-f]{6}$/] },
  ]);
  t.equal(difference?.states?.tensors.length, 1);
});

t.test('where a run kept only a later state, this machine goes on for the other until there', async (t) => {
  for (const other of ['three threads', 'short'] as const) {
    const { difference } = await compared(other, 'busy, kept later');
    t.match(difference, { step: 7, fault: 'second', rerun: { from: 2, to: 7 } }, other);
    t.match(difference?.states, { step: 9, place: null }, other);
    t.ok((difference?.states?.tensors.length ?? 0) > 10, other);
  }
});

t.test(
  'where nothing was kept, the steps are computed from the beginning, and it is said what is missing',
  async (t) => {
    const { difference } = await compared('three threads', 'busy, not kept');
    t.match(difference, { step: 7, fault: 'second', rerun: { from: 0, to: 7 }, states: null });
    t.match(difference?.missing, [
      /^Which values differ is not known: ".*busy, not kept" kept no state from step 7 on/,
    ]);
  },
);

t.test('two faults: both are at fault', async (t) => {
  const { difference } = await compared('idle', 'busy');
  t.match(difference, { step: 7, fault: 'both', states: { step: 7 } });
});

t.test('without computing again, the states that both kept are compared', async (t) => {
  const { difference } = await compare(folder('good'), folder('busy'), { rerun: false });
  t.match(difference, {
    step: 7,
    fault: 'unknown',
    rerun: null,
    states: { step: 9, place: null },
    missing: [],
  });
  const none = await compare(folder('three threads'), folder('busy'), { rerun: false });
  t.match(none.difference, { step: 7, fault: 'unknown', rerun: null, states: null });
  t.match(none.difference?.missing, [/"[^"]*three threads" and "[^"]*busy" kept no state from step 7 on/]);
});

t.test('runs that begin with different models', async (t) => {
  t.testdir();
  const broken = copyOf(t, 'short');
  breakChain(broken, 0);
  const { difference } = await compare(folder('good'), broken, { data });
  t.match(difference, { step: 0, fault: 'second', rerun: { from: 0, to: 0 }, losses: null });
});

t.test(
  'where this machine differs from both before they part, it says nothing of who is at fault',
  async (t) => {
    t.testdir();
    const [a, b] = [copyOf(t, 'short', 'a'), copyOf(t, 'short', 'b')];
    breakChain(a, 3);
    breakChain(b, 3, 1);
    breakChain(b, 6, 2);
    const { difference } = await compare(a, b, { data });
    t.match(difference, { step: 6, fault: 'unknown', rerun: null, states: null });
    t.match(difference?.missing[0], /^This machine computes step 3 otherwise than both runs/);
  },
);

t.test(
  'recipes that differ are told field by field, and how far the runs are the same nevertheless',
  async (t) => {
    const other = t.testdir();
    await trainInto(
      other,
      { ...fields, epochs: 1, seed: 4, earlyStopping: 'testLoss(patience=2)' },
      { source },
    );
    const seeded = await compare(folder('good'), other);
    t.match(seeded, { same: false, difference: { step: 0, fault: 'unknown', rerun: null, states: null } });
    t.strictSame(seeded.fields, [
      { field: 'epochs', values: [2, 1] },
      { field: 'seed', values: [0, 4] },
      { field: 'earlyStopping', values: [undefined, 'testLoss(patience=2)'] },
    ]);
    const shorter = join(other, 'shorter');
    await trainInto(shorter, { ...fields, epochs: 1 }, { source });
    t.match(await compare(folder('good'), shorter), {
      same: false,
      fields: [{ field: 'epochs', values: [2, 1] }],
      steps: [10, 5],
      difference: null,
    });
  },
);

t.test('a run that is still going on is compared as far as it is', async (t) => {
  t.testdir();
  const growing = copyOf(t, 'good');
  truncateSync(join(growing, 'chain'), 32 * 5 + 7);
  t.match(await compare(growing, folder('good')), { same: true, steps: [4, 10] });
  t.match(await compare(growing, folder('busy')), { same: true, steps: [4, 10] });
  truncateSync(join(growing, 'chain'), 32 * 5);
  appendFileSync(join(growing, 'chain'), Buffer.alloc(64));
  t.match(await compare(growing, folder('good')), { same: true, steps: [4, 10] }, 'zeros at the end');
});

t.test('digests that were lost are passed over, and it is said where the runs may have parted', async (t) => {
  t.testdir();
  const holed = (name: keyof typeof names, from: number, to: number) => {
    const copy = copyOf(t, name, `${name} ${from}`);
    const path = join(copy, 'chain');
    writeFileSync(path, readFileSync(path).fill(0, 32 * from, 32 * (to + 1)));
    return copy;
  };
  t.match(await compare(holed('good', 3, 8), folder('three threads')), { same: true, steps: [10, 10] });
  const { difference } = await compare(holed('good', 5, 8), folder('busy'), { data });
  t.match(difference, { step: 9, fault: 'second', rerun: { from: 4, to: 9 }, states: { place: null } });
  t.strictSame(difference?.missing, [
    'The chains lack digests of the steps before: they may have parted at any step from 5 to 9.',
  ]);
  t.match((await compare(folder('good'), holed('idle', 0, 3), { data })).difference, {
    step: 7,
    fault: 'second',
    missing: [],
  });
  await t.rejects(compare(holed('good', 8, 8), folder('short')), {
    code: 'DATA',
    message: /good 8": its chain lacks the digest of step 8, .* go on with the run/,
  });
});

t.test('a checkpoint that is broken or of another run is passed over, and that is said', async (t) => {
  t.testdir();
  const broken = copyOf(t, 'idle');
  const checkpoint = (step: number) =>
    join(broken, 'checkpoints', `step-${String(step).padStart(9, '0')}.safetensors`);
  const good = (step: number) => checkpoint(step).replace(broken, folder('good'));
  truncateSync(checkpoint(6), 1000);
  copyFileSync(good(9), checkpoint(7));
  const { difference } = await compare(folder('three threads'), broken, { data });
  t.match(difference, { step: 7, fault: 'second', rerun: { from: 5, to: 7 }, states: { step: 8 } });
  t.equal(difference?.missing.length, 2);
  t.match(difference?.missing[0], /^A checkpoint was passed over: ".*step-000000006\.safetensors": /);
  t.match(difference?.missing[1], /^A checkpoint was passed over: that of step 7 in ".*" is not of this run/);
});

t.test('where the data is not at hand, it is said, and the step is found all the same', async (t) => {
  const { difference } = await compare(folder('good'), folder('idle'));
  t.match(difference, { step: 7, fault: 'unknown', rerun: null });
  t.match(
    difference?.missing[0],
    /^Steps could not be computed again: compare: data: the data of mnist has SHA-256/,
  );
  t.equal(difference?.states?.step, 9, 'what both kept is compared');
});
