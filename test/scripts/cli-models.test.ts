/** Models used from the command line: predict, evaluate, export and inspect, of files, checkpoints and run folders. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { Checkpoints } from '../../coordinator/checkpoints.ts';
import { loadModel } from '../../scripts/index.ts';
import { type Finished, jsonOf, lockstep } from '../helpers/cli.ts';
import { readOnnx } from '../helpers/onnx.ts';
import { encodePng } from '../helpers/png.ts';
import {
  idxNames,
  tinyPixels,
  tinyRecipe,
  tinyTest,
  trainTiny,
  writeTinyData,
} from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const cwd = t.testdir();
const data = 'data';
const images = join(data, idxNames.testImages);
const model = 'model.safetensors';
const at = (path: string) => join(cwd, path);
writeTinyData(at(data));

t.before(() => trainTiny(at(data), at(model)));

const run = (...args: string[]) => lockstep(args, { cwd });

/** Exit code 0, no line wider than 80, nothing on stderr. */
function holdShown({ code, stdout, stderr }: Finished, name: string): string[] {
  t.equal(code, 0, `${name}: ${stderr}`);
  t.equal(stderr, '', name);
  const lines = stdout.split('\n');
  t.same(
    lines.filter((line) => line.length > 80),
    [],
    `${name}: 80 columns`,
  );
  return lines;
}

t.test('predict: a line an image, and the same in JSON', async (t) => {
  const expected = loadModel(at(model)).predict(readFileSync(at(images)).subarray(16));
  const [title, ...lines] = holdShown(await run('predict', model, images), 'predict');
  t.match(title, /^image +label +0 +1 .* 9 %$/);
  t.equal(lines.length, tinyTest + 1);
  for (const [i, { label, probabilities }] of expected.entries()) {
    const cells = lines[i].trim().split(/ +/);
    t.equal(cells.at(-11), String(label));
    t.equal(cells.at(-12), String(i), 'its number in the file');
    for (const [c, p] of probabilities.entries()) {
      const text = cells.at(c - 10) ?? '';
      t.ok(Math.abs((text === '·' ? 0 : Number(text)) - 100 * p) <= 0.05 + 1e-9, `${text} of ${100 * p}`);
    }
  }
  const json = jsonOf(await run('predict', model, images, '--first', '3', '--json', '--quiet'));
  t.strictSame(
    json.predictions,
    expected.slice(0, 3).map((prediction, index) => ({ image: images, index, ...prediction })),
  );
  t.match(json, { weightsDigest: /^[0-9a-f]{64}$/, recipeId: /^[0-9a-f]{64}$/ });
});

t.test('predict: files of all kinds together, in their order', async (t) => {
  const { pixels } = tinyPixels(2);
  writeFileSync(join(cwd, 'two.raw'), pixels);
  const spec = { width: 28, height: 28, depth: 8, colourType: 0, samples: pixels.subarray(0, 784) };
  // The edge of these samples is rather bright: as it is, since it is darker than half.
  writeFileSync(join(cwd, 'a-picture-with-a-rather-long-name.png'), encodePng(spec));
  const lines = holdShown(
    await run('predict', model, 'a-picture-with-a-rather-long-name.png', 'two.raw', images, '--first', '2'),
    'predict',
  );
  t.strictSame(
    lines.slice(1, 6).map((line) => line.slice(0, 22).trimEnd()),
    ['…-rather-long-name.png', 'two.raw 0', 'two.raw 1', '…k-images-idx3-ubyte 0', '…k-images-idx3-ubyte 1'],
  );
});

t.test('evaluate: classes and mistakes, of both splits', async (t) => {
  const lines = holdShown(await run('evaluate', model, '--data', data, '--worst', '7'), 'evaluate');
  t.match(lines.join('\n'), /\nlabel +0 .* 9 +recall % +samples\n {4}0 /);
  t.match(lines.join('\n'), /\nprecision .* %\n/);
  const json = jsonOf(
    await run('evaluate', model, '--data', data, '--json', '--split', 'train', '--worst', '4'),
  );
  t.match(json, { split: 'train', samples: 60, confusion: Array, classes: Array });
  const worst = json.worst as Record<string, unknown>[];
  t.strictSame(
    worst.map((mistake) => Object.keys(mistake)),
    worst.map(() => ['sample', 'label', 'prediction', 'probability', 'labelProbability']),
  );
  t.ok(worst.length > 0 && worst.length <= 4);
});

t.test('export: ONNX and safetensors by the ending', async (t) => {
  holdShown(await run('export', model, 'out/model.onnx'), 'export');
  const bytes = readFileSync(join(cwd, 'out', 'model.onnx'));
  t.ok(bytes.equals(loadModel(at(model)).toOnnx()));
  t.equal(readOnnx(bytes).metadata.weightsDigest, loadModel(at(model)).weightsDigest);
  const json = jsonOf(await run('export', model, 'out/copy.safetensors', '--json'));
  t.match(json, { file: 'out/copy.safetensors', bytes: readFileSync(at(model)).length });
  t.ok(readFileSync(join(cwd, 'out', 'copy.safetensors')).equals(readFileSync(at(model))), 'the same file');
});

t.test('a checkpoint and a run folder stand for their model', async (t) => {
  const whole = loadModel(at(model));
  const optimizer = new Float32Array(whole.architecture.flatSize);
  const state = {
    snapshot: whole.snapshot,
    optimizer,
    epoch: 0,
    step: 3,
    lossSum: 1.5,
    epochs: [],
    stopping: null,
    chain: '0'.repeat(64),
  };
  const parts = encodeCheckpoint(whole.architecture, whole.recipe, state);
  writeFileSync(join(cwd, 'checkpoint.safetensors'), Buffer.concat(parts));
  const folder = join(cwd, 'finished');
  mkdirSync(folder);
  copyFileSync(at(model), join(folder, 'model.safetensors'));
  const alarm = (error: Error) => t.fail(error.message);
  const store = await Checkpoints.open(at('unfinished/checkpoints'), { keep: 2, alarm });
  store.save(parts, { step: 3, epoch: 0 });
  await store.close();
  const places = { checkpoint: 'checkpoint.safetensors', finished: 'finished', unfinished: 'unfinished' };
  for (const [name, path] of Object.entries(places)) {
    const { weightsDigest } = jsonOf(await run('predict', path, images, '--json', '--quiet'));
    t.equal(weightsDigest, whole.weightsDigest, name);
    t.equal(
      jsonOf(await run('export', path, 'x.onnx', '--json', '--quiet')).weightsDigest,
      whole.weightsDigest,
      name,
    );
  }
  t.equal(loadModel(folder).weightsDigest, whole.weightsDigest, 'in the library, too');
  const json = jsonOf(await run('inspect', 'checkpoint.safetensors', '--json', '--quiet'));
  t.match(json, {
    kind: 'checkpoint',
    cursor: { epoch: 0, step: 3 },
    position: '0 of 1 epochs, and 3 steps of the next',
  });
  holdShown(await run('inspect', 'checkpoint.safetensors'), 'inspect');
  t.match(jsonOf(await run('inspect', 'unfinished', '--json', '--quiet')), {
    kind: 'checkpoint',
    file: /step-.*\.safetensors$/,
    checkpoints: 1,
  });
  const init = ['--init', './checkpoint.safetensors', '--epochs', '0', '--no-run', '--json', '--quiet'];
  const started = jsonOf(
    await run('train', ...tinyRecipe.slice(0, 4), '--data', data, '--threads', '1', ...init),
  );
  t.equal(started.weightsDigest, whole.weightsDigest, 'and is one to start from');
});

t.test('inspect: a run tells its epochs, a file from elsewhere its tensors', async (t) => {
  const args = ['train', ...tinyRecipe, '--data', data, '--run', 'run', '--quiet'];
  t.equal((await run(...args)).code, 0);
  // A process that was killed leaves a line like this.
  writeFileSync(join(cwd, 'run', 'log.jsonl'), '{"epoch":2,"steps":8,"testLoss":1.', { flag: 'a' });
  const lines = holdShown(await run('inspect', 'run'), 'inspect a run');
  t.match(lines.join('\n'), /^run +run\nmodel +run\/model\.safetensors\n/);
  t.match(lines.join('\n'), /\nepoch +loss +test loss +test accuracy +seconds\n +1 .*\n$/);
  const json = jsonOf(await run('inspect', 'run', '--json', '--quiet'));
  t.match(json, { kind: 'model', run: 'run', epochs: [{ epoch: 1 }], writtenBy: /^Lockstep \d/ });
  t.equal((json.epochs as unknown[]).length, 1);
  const header = {
    'fc.weight\u001b[2J': { dtype: 'BF16', shape: [2, 3], data_offsets: [0, 12] },
    __metadata__: { by: 'me' },
  };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(cwd, 'foreign.safetensors'), Buffer.concat([length, text, Buffer.alloc(12)]));
  const foreign = holdShown(await run('inspect', 'foreign.safetensors'), 'inspect a foreign file').join('\n');
  t.match(foreign, /written by +another program\n/);
  t.match(foreign, /\nnpm exec --no -- lockstep train --model LAYERS --init foreign\.safetensors\n/);
  copyFileSync(join(cwd, 'foreign.safetensors'), join(cwd, 'my file.safetensors'));
  t.match((await run('inspect', 'my file.safetensors')).stdout, / --init "my file\.safetensors"\n/);
  t.match(jsonOf(await run('inspect', 'mnist', '--json', '--quiet')), {
    kind: 'recipe',
    file: 'mnist',
    recipe: { batchSize: Number },
  });
  t.match(foreign, /fc\.weight \[2J +BF16 +\(2, 3\)\n6 values in 1 tensors\n\nby +me\n/);
  t.notMatch(foreign.replaceAll('\n', ''), /\p{Cc}/u, 'no control characters');
  t.match(jsonOf(await run('inspect', 'foreign.safetensors', '--json', '--quiet')), {
    kind: 'foreign',
    tensors: [{ dtype: 'BF16', shape: [2, 3] }],
    metadata: { by: 'me' },
  });
});
