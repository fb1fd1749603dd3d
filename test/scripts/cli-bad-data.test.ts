/** Data that are not there or broken, and numbers that run away. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { type BadCase, everythingBelow, holdRefused, lockstep } from '../helpers/cli.ts';
import { idxFile, idxNames, patched, tinyRecipe, tinyTrain, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const whole = t.testdir();
const data = writeTinyData(join(whole, 'data'));

const train = (
  flags: readonly string[],
  code: 1 | 2,
  says: RegExp,
  more: Partial<BadCase> = {},
): BadCase => ({
  args: ['train', ...tinyRecipe, ...flags],
  code,
  says,
  ...more,
});

/** Trains on the tiny data with one file replaced. */
function withFile(name: keyof typeof idxNames, content: (old: Buffer) => Buffer, says: RegExp): BadCase {
  return train(['--data', 'data'], 1, says, {
    prepare: (folder) => {
      writeTinyData(join(folder, 'data'));
      const path = join(folder, 'data', idxNames[name]);
      writeFileSync(path, content(readFileSync(path)));
    },
  });
}

t.test('data', (t) =>
  holdRefused(t, {
    'no such folder': train(
      ['--data', 'nope'],
      2,
      /got "nope", but there is no folder "nope"; expected mnist, /,
    ),
    'almost a name': train(['--data', 'mnits'], 2, /got "mnits".*did you mean "mnist"\?/),
    'a file': train(['--data', join(data, idxNames.trainImages)], 2, /is not a folder/),
    'an empty folder': train(
      ['--data', 'd'],
      1,
      /"d": no file of images for the train split, expected one of/,
      {
        prepare: (folder) => mkdirSync(join(folder, 'd')),
      },
    ),
    'truncated images': withFile(
      'trainImages',
      (old) => old.subarray(0, -1),
      /train-images-idx3-ubyte": truncated: got 47055 bytes, expected 47056/,
    ),
    'images too long': withFile('testImages', (old) => Buffer.concat([old, Buffer.of(0)]), /too long: got /),
    'a header cut short': withFile(
      'trainImages',
      (old) => old.subarray(0, 9),
      /truncated: got 9 bytes of header/,
    ),
    'nothing at all': withFile('trainLabels', () => Buffer.alloc(0), /truncated: got 0 bytes of header/),
    'another magic number': withFile(
      'trainLabels',
      patched(3, 7),
      /magic number in bytes 0-3: got 0x00000807/,
    ),
    'images for labels': withFile(
      'trainLabels',
      () => idxFile('images', new Uint8Array(784)),
      /\(images\), expected/,
    ),
    'a label of 10': withFile('testLabels', patched(8 + 7, 10), /label 7: got 10, expected 0 to 9/),
    'a label too few': withFile(
      'trainLabels',
      () => idxFile('labels', new Uint8Array(59)),
      /got 59 labels, expected 60/,
    ),
    'more images announced than a file can hold': withFile(
      'trainImages',
      patched(4, 255),
      /number of images .* expected 1 to/,
    ),
    'a gzip bomb': withFile(
      'trainImages',
      () =>
        gzipSync(Buffer.concat([idxFile('images', new Uint8Array(tinyTrain * 784)), Buffer.alloc(2 ** 26)])),
      /unpacks to more bytes, expected 47056/,
    ),
    'gzip cut short': withFile('trainLabels', (old) => gzipSync(old).subarray(0, -4), /truncated gzip data/),
    'gzip with a flipped bit': withFile(
      'trainImages',
      (old) => patched(1000, gzipSync(old)[1000] ^ 4)(gzipSync(old)),
      /corrupt gzip data|unpacks to/,
    ),
    'too few samples': train(
      ['--data', data, '--train-samples', String(tinyTrain + 1)],
      2,
      /--train-samples: got 61, expected at most 60/,
    ),
    'other data than the recipe says': train(
      ['r.json', '--data', data],
      1,
      /r\.json: dataset: the data of .* has SHA-256 [0-9a-f]{64}, expected 0{64}; train with the data/,
      { prepare: (folder) => writeFileSync(join(folder, 'r.json'), `{"dataset":"${'0'.repeat(64)}"}`) },
    ),
  }),
);

t.test('a training that diverges says the same on any number of threads and leaves no model', async (t) => {
  const messages: string[] = [];
  for (const threads of ['1', '2', '3']) {
    const cwd = join(t.testdir(), threads);
    mkdirSync(cwd);
    const flags = ['--data', data, '--optimizer', 'sgd(lr=1e30)', '--epochs', '3', '--batch-size', '20'];
    const files = ['--run', 'r', '--out', 'out.safetensors', '--log', 'log.jsonl'];
    const { code, stderr } = await lockstep(
      ['train', ...tinyRecipe, ...flags, ...files, '--threads', threads],
      { cwd },
    );
    t.equal(code, 1, `exit code with ${threads} threads`);
    messages.push(stderr);
    const left = everythingBelow(cwd);
    const told = ['r/chain', 'r/checkpoints', 'r/environment.json', 'r/log.jsonl', 'r/recipe.json'];
    t.strictSame(
      left,
      ['log.jsonl', 'r', ...told],
      'what was done is told, no model, and nothing to go on from',
    );
  }
  t.match(
    messages[0],
    /^lockstep: training diverged at step \d+ \(epoch 1\): .+; lower the learning rate [^\n]+\n$/,
  );
  t.strictSame(
    messages,
    Array.from({ length: 3 }, () => messages[0]),
    messages[0].trimEnd(),
  );
});
