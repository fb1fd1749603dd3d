/** Models that are not there, broken, altered, or of other shapes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type BadCase, holdRefused } from '../helpers/cli.ts';
import { patched, tinyRecipe, trainTiny, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

/** Data and a model that are whole, for the cases to copy and to break. */
const whole = t.testdir();
const data = writeTinyData(join(whole, 'data'));
const model = join(whole, 'model.safetensors');

t.before(() => trainTiny(data, model));

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

/** A command on a file made from the whole model. */
function onModel(
  command: readonly string[],
  content: (old: Buffer) => Buffer,
  says: RegExp,
  code: 1 | 2 = 1,
): BadCase {
  const prepare = (folder: string) => writeFileSync(join(folder, 'm'), content(readFileSync(model)));
  return { args: command, code, says, prepare };
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
  says: /the folder "runs" has neither a model\.safetensors nor a valid checkpoint/,
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
    'evaluate a picture': onModel(['evaluate', 'm'], () => png, /"m": is no safetensors file; expected/),
    'inspect a picture': onModel(['inspect', 'm'], () => png, /"m": is no safetensors file; expected/),
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
    'predict with what is not there': {
      args: ['predict', 'm', 'x.png'],
      code: 2,
      says: /predict: there is no "m", expected a safetensors file or a run folder/,
    },
    'predict what is not there': onModel(
      ['predict', 'm', 'a/x.png'],
      (old) => old,
      /predict: there is no "a\/x\.png", expected a PNG/,
      2,
    ),
    'predict a model': onModel(
      ['predict', 'm', 'm'],
      (old) => old,
      /"m": got \d+ bytes that are neither PNG nor IDX/,
    ),
    'predict a broken picture': {
      ...onModel(
        ['predict', 'm', 'x.png'],
        (old) => old,
        /"x\.png": it ends after 33 bytes without the chunk IEND; is this a whole PNG/,
      ),
      prepare: (folder) => {
        writeFileSync(join(folder, 'm'), readFileSync(model));
        writeFileSync(join(folder, 'x.png'), png);
      },
    },
    'export to a format that is none': onModel(
      ['export', 'm', 'm.pt'],
      (old) => old,
      /export: got "m\.pt", expected a name that ends in \.onnx or \.safetensors/,
      2,
    ),
    'export to where nothing can be written': onModel(
      ['export', 'm', '/dev/null/x.onnx'],
      (old) => old,
      /cannot write "\/dev\/null\/x\.onnx"/,
    ),
    'start from a picture': onModel(['train', '--init', './m'], () => png, /"\.\/m": is no safetensors file/),
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
