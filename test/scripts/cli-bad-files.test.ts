/** Files that are not there, are broken, or cannot be written, and numbers that run away. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import {
  type BadCase,
  everythingBelow,
  holdRefused,
  idxFile,
  idxNames,
  lockstep,
  tinyTrain,
  writeTinyData,
} from '../helpers/cli.ts';

t.setTimeout(180_000);

const tinyRecipe = ['--model', 'dense(4) batchnorm relu dense(10)', '--epochs', '1', '--threads', '1'];
/** Data and a model that are whole, for the cases to copy and to break. */
const whole = t.testdir();
const data = writeTinyData(join(whole, 'data'));
const model = join(whole, 'model.safetensors');

t.before(async () => {
  const args = ['train', ...tinyRecipe, '--data', data, '--no-run', '--out', model];
  const { code, stderr } = await lockstep(args, { cwd: whole });
  if (code !== 0) throw new Error(stderr);
});

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

const patched = (position: number, byte: number) => (old: Buffer) => {
  old[position] = byte;
  return old;
};

t.test('data', (t) =>
  holdRefused(t, {
    'no such folder': train(
      ['--data', 'nope'],
      2,
      /got "nope", but there is no folder "nope"; expected mnist, /,
    ),
    'almost a name': train(['--data', 'mnits'], 2, /got "mnits".*did you mean "mnist"\?/),
    'a file': train(['--data', model], 2, /is not a folder/),
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

const output = (flags: readonly string[], code: 1 | 2, says: RegExp): BadCase =>
  train([...flags, '--data', data], code, says, {
    prepare: (folder) => {
      mkdirSync(join(folder, 'full'));
      writeFileSync(join(folder, 'full', 'x'), '');
      writeFileSync(join(folder, 'file'), '');
    },
  });

t.test('outputs, refused before anything is trained', (t) =>
  holdRefused(t, {
    'the model as a folder': output(['--out', 'full'], 1, /cannot write "full" \(it is a folder\)/),
    'the model below a file': output(['--out', 'file/a/b'], 1, /cannot write "file\/a\/b" \(ENOTDIR/),
    'the model in /proc': output(['--out', '/proc/x/y'], 1, /cannot write "\/proc\/x\/y" \(ENOENT/),
    'the model as a device': output(
      ['--out', '/dev/null'],
      1,
      /cannot write "\/dev\/null" \(it is not a regular/,
    ),
    'the model where a name is too long': output(
      ['--out', 'x'.repeat(300)],
      1,
      /cannot write "x+" \(ENAMETOOLONG/,
    ),
    'the log as a folder': output(['--log', 'full'], 1, /cannot write the log "full" \(it is a folder\)/),
    'the log below a file': output(['--log', 'file/a'], 1, /cannot write the log "file\/a" \(ENOTDIR/),
    'the log in /proc': output(['--log', '/proc/x/y'], 1, /cannot write "\/proc\/x\/y" \(ENOENT/),
    'a used run folder': output(
      ['--run', 'full'],
      2,
      /--run: "full" is used already, expected a new or an empty/,
    ),
    'a file as run folder': output(['--run', 'file'], 2, /--run: "file" is used already/),
    'a run folder below a file': output(['--run', 'file/a'], 1, /--run: cannot make "file\/a" \(ENOTDIR/),
    'a run folder in /proc': output(['--run', '/proc/x/y'], 1, /--run: cannot make "\/proc\/x\/y" \(ENOENT/),
    'new folders for a run that never begins': train(
      ['--out', 'a/b/c', '--log', 'd/e', '--run', 'f/g', '--data', 'nope'],
      2,
      /there is no folder "nope"/,
    ),
  }),
);

/** A command on a file made from the whole model. */
function onModel(command: readonly string[], content: (old: Buffer) => Buffer, says: RegExp): BadCase {
  const prepare = (folder: string) => writeFileSync(join(folder, 'm'), content(readFileSync(model)));
  return { args: command, code: 1, says, prepare };
}

/** The same file with a changed header, of the length that this has. */
const withHeader = (change: (header: string) => string) => (old: Buffer) => {
  const length = Number(old.readBigUInt64LE(0));
  const header = Buffer.from(change(old.subarray(8, 8 + length).toString('utf8')));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([size, header, old.subarray(8 + length)]);
};

const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02', 'hex');
const withoutModel = {
  args: ['evaluate', 'runs'],
  code: 2,
  says: /the folder "runs" has no model\.safetensors/,
} as const;

t.test('models', (t) =>
  holdRefused(t, {
    'evaluate what is not there': {
      args: ['evaluate', 'm'],
      code: 2,
      says: /evaluate: there is no "m", expected/,
    },
    'inspect what is not there': {
      args: ['inspect', 'm'],
      code: 2,
      says: /inspect: there is no "m", expected/,
    },
    'start from what is not there': train(['--init', 'a/m'], 2, /--init: there is no "a\/m", expected/),
    'evaluate a folder': { ...withoutModel, prepare: (folder) => mkdirSync(join(folder, 'runs')) },
    'evaluate a picture': onModel(['evaluate', 'm'], () => png, /"m": .*is this a whole safetensors file\?/),
    'inspect a picture': onModel(['inspect', 'm'], () => png, /"m": .*is this a whole safetensors file\?/),
    'evaluate nothing': onModel(
      ['evaluate', 'm'],
      () => Buffer.alloc(0),
      /"m": got 0 bytes, expected at least 8/,
    ),
    'evaluate a truncated model': onModel(
      ['evaluate', 'm'],
      (old) => old.subarray(0, -1),
      /"m": .*is this a whole/,
    ),
    'evaluate an altered weight': onModel(
      ['evaluate', 'm'],
      (old) => patched(old.length - 100, old[old.length - 100] ^ 1)(old),
      /"m": its weights have the digest [0-9a-f]{64}, its metadata say [0-9a-f]{64}; the file was altered/,
    ),
    'evaluate a model of somebody else': onModel(
      ['evaluate', 'm'],
      withHeader((header) => header.replace('"recipe":', '"recepie":')),
      /"m": has no recipe in its metadata, expected a model written by Lockstep/,
    ),
    'evaluate a model with a broken recipe': onModel(
      ['evaluate', 'm'],
      withHeader((header) => header.replace('\\"epochs\\":1', '\\"epochs\\":x')),
      /"m": the recipe in its metadata cannot be used/,
    ),
    'evaluate a model of other layers': onModel(
      ['evaluate', 'm'],
      withHeader((header) => header.replaceAll('dense(4)', 'dense(5)')),
      /"m": tensor 0\.weight is F32 \(4, 784\), expected F32 \(5, 784\)/,
    ),
    'start from a picture': onModel(
      ['train', '--init', './m'],
      () => png,
      /"\.\/m": .*is this a whole safetensors/,
    ),
    'start from other shapes': onModel(
      ['train', '--init', './m', '--model', 'dense(5) batchnorm relu dense(10)'],
      (old) => old,
      /"\.\/m": tensor 0\.weight is F32 \(4, 784\), expected F32 \(5, 784\)/,
    ),
    'start from other layers': onModel(
      ['train', '--init', './m', '--model', 'dense(10)'],
      (old) => old,
      /"\.\/m": its tensors do not fit the model "dense\(10\)": missing none, too many "/,
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
    t.strictSame(left, ['log.jsonl', 'r', 'r/log.jsonl', 'r/recipe.json'], 'what was done is told, no model');
  }
  t.match(
    messages[0],
    /^lockstep: training diverged at step \d+ \(epoch 1\): the .+ is not finite; lower the .+\n$/,
  );
  t.strictSame(
    messages,
    Array.from({ length: 3 }, () => messages[0]),
    messages[0].trimEnd(),
  );
});

t.test('a log on a full device costs the log, not the model', async (t) => {
  const cwd = t.testdir();
  const args = [
    'train',
    ...tinyRecipe,
    '--data',
    data,
    '--log',
    '/dev/full',
    '--no-run',
    '--out',
    'm',
    '--json',
  ];
  const { code, stdout, stderr } = await lockstep([...args, '--quiet'], { cwd });
  t.equal(code, 1, 'exit code');
  t.match(
    stderr,
    /^lockstep: cannot write the log "\/dev\/full" \(ENOSPC: [^\n]+; the run goes on without this log\n$/,
  );
  t.equal(JSON.parse(stdout).model, 'm', 'the result is told');
  copyFileSync(join(cwd, 'm'), join(cwd, 'n'));
  t.ok(readFileSync(join(cwd, 'm')).equals(readFileSync(model)), 'the model is the same as without');
});
