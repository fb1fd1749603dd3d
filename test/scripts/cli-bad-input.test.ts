/** Everything that can be wrong on a command line, in the environment or in a recipe: exit code 2, one line. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type BadCase, holdRefused } from '../helpers/cli.ts';

t.setTimeout(180_000);

const bad = (args: readonly string[], says: RegExp, more: Partial<BadCase> = {}): BadCase => ({
  args,
  code: 2,
  says,
  ...more,
});
const train = (flags: readonly string[], says: RegExp, more?: Partial<BadCase>): BadCase =>
  bad(['train', ...flags], says, more);

t.test('commands and arguments', (t) =>
  holdRefused(t, {
    'no command': bad(
      [],
      /got no command, expected train, coordinator, worker, evaluate, predict, export, compare, verify, inspect or bench/,
    ),
    'a flag without a command': bad(['--epochs', '3'], /got "--epochs" but no command/),
    'an unknown command': bad(['trian'], /unknown command "trian", did you mean "train"\?/),
    'a command like nothing': bad(['frobnicate'], /unknown command "frobnicate", expected train, /),
    'a command of control characters': bad(['\u001b[2Jx\n'], /unknown command "\\u001b\[2Jx\\n"/),
    'an argument too many': bad(['train', 'mnist', 'note'], /one argument too many, "note"/),
    'no model': bad(['evaluate'], /evaluate: got no MODEL, expected lockstep evaluate MODEL/),
    'an empty file name': bad(['inspect', ''], /inspect: got no FILE/),
    'no image': bad(['predict', 'm'], /predict: got no IMAGE, expected lockstep predict MODEL IMAGE…/),
    'an empty name of an image': bad(['predict', 'm', 'a', ''], /predict: got no IMAGE/),
    'no file to write': bad(['export', 'm'], /export: got no FILE, expected lockstep export MODEL FILE/),
    'a file too many': bad(
      ['export', 'm', 'a.onnx', 'b.onnx'],
      /export: got one argument too many, "b\.onnx"/,
    ),
    'a number that is none': bad(
      ['predict', 'm', 'a', '--first', '0'],
      /--first: got "0", expected an integer ≥ 1/,
    ),
    'a way to fit that is none': bad(
      ['predict', 'm', 'a', '--fit', 'hole'],
      /--fit: got "hole", did you mean "whole"/,
    ),
    'a split that is none': bad(
      ['evaluate', 'm', '--split', 'all'],
      /--split: got "all", expected train or test/,
    ),
    'too many mistakes': bad(
      ['evaluate', 'm', '--worst', '1001'],
      /--worst: got "1001", expected an integer from 0 to 1000/,
    ),
  }),
);

t.test('flags', (t) =>
  holdRefused(t, {
    'an unknown flag': train(['--epoch', '3'], /unknown flag "--epoch", did you mean "--epochs"\?/),
    'the start of a flag': train(['--ep', '3'], /unknown flag "--ep", did you mean "--epochs"\?/),
    'one dash only': train(['-epochs', '3'], /unknown flag "-epochs", did you mean "--epochs"\?/),
    'an unknown letter': train(['-e', '3'], /unknown flag "-e"/),
    'a flag of another command': bad(['inspect', 'note', '--epochs', '3'], /unknown flag "--epochs"/),
    'a negated switch': train(['--no-quiet'], /unknown flag "--no-quiet"/),
    'a part of every object': train(['--constructor', '3'], /unknown flag "--constructor"/),
    'the prototype': train(['--__proto__', '3'], /unknown flag "--__proto__"/),
    'a path into the prototype': train(['--__proto__.epochs', '3'], /unknown flag "--__proto__\.epochs"/),
    'no value at the end': train(['--epochs'], /--epochs: got nothing, expected a value: --epochs E/),
    'no value before a flag': train(['--out', '--quiet'], /--out: got nothing, expected a value: --out FILE/),
    'an empty value': train(['--model', ''], /--model: got nothing/),
    'an empty value behind =': train(['--seed='], /--seed: got nothing/),
    'a switch with a value': train(['--quiet=5'], /--quiet: got "5", expected true or false/),
    'help with a value': train(['--help=3'], /--help: got "3"/),
    'a run folder and none': train(
      ['--run', 'x', '--no-run'],
      /--run: got "x" together with --no-run, expected one of the two/,
    ),
    'one file for two': train(['--out', 'x', '--log', './x'], /--log: got "\.\/x", which is --out too/),
  }),
);

t.test('values and names', (t) =>
  holdRefused(t, {
    'epochs -1': train(['--epochs', '-1'], /--epochs: got -1, expected an integer ≥ 0/),
    'epochs abc': train(['--epochs', 'abc'], /--epochs: got "abc", expected an integer ≥ 0/),
    'batch size 0': train(['--batch-size', '0'], /--batch-size: got 0, expected an integer ≥ 1/),
    'more samples than there are': train(
      ['--train-samples', '60001'],
      /--train-samples: got 60001, expected at most 60000/,
    ),
    'a batch larger than the epoch, dropped': train(
      ['--train-samples', '100', '--drop-last'],
      /batchSize: got 128 with drop-last, expected at most the 100 samples/,
    ),
    'threads 0': train(['--threads', '0'], /--threads: got "0", expected an integer from 1 to 1024/),
    'threads 1025': train(['--threads', '1025'], /--threads: got "1025", expected an integer from 1 to 1024/),
    'threads 1.5': train(['--threads', '1.5'], /--threads: got "1\.5"/),
    'kernels misspelt': train(['--kernels', 'wsam'], /--kernels: got "wsam", did you mean "wasm"\?/),
    'kernels for another processor': train(
      ['--kernels', process.arch === 'arm64' ? 'native:avx2' : 'native:neon'],
      /--kernels: native:[a-z0-9]+ cannot run here \(.+\); use auto, or one of (.+, )?exact$/m,
    ),
    'an unknown transport': train(
      ['--transport', 'pigeon'],
      /--transport: got "pigeon", expected local or mpi or websocket/,
    ),
    'an unknown layer': train(
      ['--model', 'dens(10)'],
      /--model: unknown name "dens", did you mean "dense"\?/,
    ),
    'an unknown option': train(
      ['--model', 'batchnorm(epsilom=1) dense(10)'],
      /--model: batchnorm has no option "epsilom", did you mean "epsilon"\?/,
    ),
    'a learning rate of nothing': train(['--optimizer', 'sgd(lr=nan)'], /--optimizer: sgd: lr: got "nan"/),
    'eleven outputs': train(
      ['--model', 'dense(11)'],
      /the last layer, dense\(11\), gives 11 outputs, expected 10.*end the model with dense\(10\)/,
    ),
    'no layers': train(['--model', ' '], /--model: got no layers, expected for example/),
  }),
);

const withRecipe = (content: string | Buffer, says: RegExp): BadCase =>
  train(['r.json'], says, { prepare: (folder) => writeFileSync(join(folder, 'r.json'), content) });

t.test('recipes', (t) =>
  holdRefused(t, {
    'an unknown name': train(['mnits'], /recipe: got "mnits".*, did you mean "mnist"\?/),
    'no such file': train(['nope.json'], /recipe: got "nope\.json", which is neither built in nor a file/),
    'a name of every object': train(['constructor'], /recipe: got "constructor", which is neither built in/),
    'a folder': train(['f'], /recipe: "f" is a folder, expected a JSON file$/m, {
      prepare: (folder) => mkdirSync(join(folder, 'f')),
    }),
    'an unknown field': withRecipe(
      '{"epoch":3}',
      /r\.json: epoch: unknown recipe field.*did you mean "epochs"\?/,
    ),
    'no JSON': withRecipe('{"epochs":3', /"r\.json": is not JSON \(.+\), expected a recipe/),
    'no UTF-8': withRecipe(Buffer.of(0x22, 0xff, 0x22), /"r\.json": is not JSON/),
    nothing: withRecipe('', /"r\.json": is not JSON/),
    'an array': withRecipe('[]', /"r\.json": is no JSON object/),
    null: withRecipe('null', /"r\.json": is no JSON object/),
    'the prototype as a field': withRecipe(
      '{"__proto__":{"epochs":1}}',
      /r\.json: __proto__: unknown recipe field/,
    ),
    'a field of another type': withRecipe(
      '{"epochs":"3"}',
      /r\.json: epochs: got "3", expected an integer ≥ 0/,
    ),
    'a list as a number': withRecipe(
      '{"epochs":[3]}',
      /r\.json: epochs: got \[ ?3 ?\], expected an integer ≥ 0/,
    ),
    'a list thirty thousand deep': withRecipe(
      `{"epochs":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      /r\.json: epochs: got .+, expected an integer ≥ 0/,
    ),
    'far too much': withRecipe(
      `{"model":"${'x'.repeat(70_000)}"}`,
      /has 70012 bytes, expected .* at most 65536/,
    ),
    'no model': withRecipe('{}', /r\.json: model: got nothing, expected layers/),
    'a digest to start from, without the file': withRecipe(
      `{"model":"dense(10)","init":"sha256:${'0'.repeat(64)}"}`,
      /r\.json: init: the recipe starts from the model sha256:0+, got no file; give that file with --init FILE/,
    ),
  }),
);

const variable = (environment: Record<string, string>, says: RegExp): BadCase =>
  train(['--no-run'], says, { environment });

t.test('the environment', (t) =>
  holdRefused(t, {
    'a value is laid to its variable': variable(
      { LOCKSTEP_EPOCHS: 'abc' },
      /LOCKSTEP_EPOCHS: got "abc", expected an integer ≥ 0/,
    ),
    threads: variable({ LOCKSTEP_THREADS: '1025' }, /LOCKSTEP_THREADS: got "1025"/),
    'a name': variable({ LOCKSTEP_KERNELS: 'wsam' }, /LOCKSTEP_KERNELS: got "wsam", did you mean "wasm"\?/),
    'a switch': variable({ LOCKSTEP_DROP_LAST: 'maybe' }, /LOCKSTEP_DROP_LAST: got "maybe", expected 1 or 0/),
    'an unknown variable': variable(
      { LOCKSTEP_EPOCH: '3' },
      /LOCKSTEP_EPOCH: no command has a flag of this name, did you mean LOCKSTEP_EPOCHS\?/,
    ),
    'a variable like nothing': variable({ LOCKSTEP_XYZZYPLUGH: '3' }, /LOCKSTEP_XYZZYPLUGH: no command has/),
  }),
);
