/** From the command line to a recipe's fields: what replaces what, and how wrong values are named. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { recipeFlags, runFlags } from '../../../scripts/commands/flags.ts';
import { chooseRecipe } from '../../../scripts/commands/recipe-fields.ts';
import { builtInFields } from '../../../scripts/recipes/built-in.ts';
import { defaultShardSize } from '../../../shared/recipe/recipe.ts';
import { draftRecipe } from '../../../shared/recipe/resolve.ts';
import { refusal } from '../../helpers/refusal.ts';

type Texts = Readonly<Record<string, string | boolean>>;

function draft(argument: string | undefined, parsed: Texts, environment: Record<string, string> = {}) {
  const { fields, label } = chooseRecipe(
    argument,
    new FlagValues([...recipeFlags, ...runFlags], parsed, environment),
  );
  return draftRecipe(fields, label);
}

t.test('flags over environment over file over defaults', (t) => {
  const path = join(t.testdir(), 'mine.json');
  writeFileSync(path, JSON.stringify({ model: 'dense(10)', epochs: 2, seed: 2, batchSize: 2 }));
  const recipe = draft(path, { epochs: '4' }, { LOCKSTEP_EPOCHS: '3', LOCKSTEP_SEED: '3' });
  t.equal(recipe.epochs, 4, 'the flag');
  t.equal(recipe.seed, 3, 'the environment');
  t.equal(recipe.batchSize, 2, 'the file');
  t.equal(recipe.scale, 'signed', 'the default');
  t.end();
});

t.test('without a recipe it is mnist; with a model and no recipe, the bare defaults', (t) => {
  t.strictSame(draft(undefined, {}), draft('mnist', {}));
  t.equal(draft(undefined, { epochs: '3' }).optimizer, 'sgd(lr=0.05,momentum=0.9)', 'other flags keep mnist');
  const bare = {
    arithmetic: 1,
    data: 'mnist',
    dataset: null,
    trainSamples: null,
    scale: 'signed',
    model: 'dense(10)',
    init: 'he',
    optimizer: 'sgd',
    schedule: 'constant',
    batchSize: 64,
    shardSize: defaultShardSize(64),
    batchNorm: 'sync',
    dropLast: false,
    resetRunningStats: 'never',
    epochs: 10,
    seed: 0,
  };
  t.strictSame(draft(undefined, { model: 'dense(10)' }), bare);
  t.strictSame(draft(undefined, {}, { LOCKSTEP_MODEL: 'dense(10)' }), bare, 'from the environment too');
  const explicit = { optimizer: 'sgd(lr=0.1)' };
  t.strictSame(draft(undefined, { model: 'dense(10)', ...explicit }), bare, 'the rate is 0.1');
  const mixed = draft('note', { model: 'dense(10)' });
  t.equal(mixed.epochs, builtInFields('note').epochs, 'a recipe that is named keeps its fields');
  t.end();
});

t.test('every flag sets its field', (t) => {
  const given: Record<string, [text: string | boolean, field: string, value: unknown]> = {
    data: ['there', 'data', 'there'],
    'train-samples': ['77', 'trainSamples', 77],
    scale: ['unit', 'scale', 'unit'],
    model: ['dense(7) tanh, dense(10)', 'model', 'dense(7) tanh dense(10)'],
    init: ['normal(0.5)', 'init', 'normal(std=0.5)'],
    optimizer: ['sgd(momentum=0.5)', 'optimizer', 'sgd(momentum=0.5)'],
    schedule: ['constant', 'schedule', 'constant'],
    'batch-size': ['1e2', 'batchSize', 100],
    'shard-size': ['3', 'shardSize', 3],
    'batch-norm': ['ghost', 'batchNorm', 'ghost'],
    'drop-last': [true, 'dropLast', true],
    'reset-running-stats': ['epoch', 'resetRunningStats', 'epoch'],
    epochs: ['0', 'epochs', 0],
    seed: ['4294967295', 'seed', 4294967295],
    'early-stopping': ['testAccuracy(patience=7)', 'earlyStopping', 'testAccuracy(patience=7)'],
  };
  for (const { name, field } of recipeFlags) {
    const [text, expectedField, value] = given[name];
    t.equal(field, expectedField);
    t.equal(Reflect.get(draft('mnist', { [name]: text }), expectedField), value, `--${name} ${text}`);
  }
  t.end();
});

t.test('no number flag takes what is no number, or none of its range', (t) => {
  const below: Record<string, string> = { 'train-samples': '0', 'batch-size': '0', 'shard-size': '0' };
  const strange = [
    'NaN',
    'nan',
    'Infinity',
    '1e309',
    '-1e309',
    '1.5',
    'abc',
    '0x10',
    '1_000',
    '1,000',
    ' ',
    '--1',
    '٣',
  ];
  for (const { name, kind } of recipeFlags) {
    if (kind !== 'number') continue;
    for (const text of ['-1', below[name] ?? '-2', ...strange, '9007199254740993', '1e18']) {
      const message = refusal(() => draft('mnist', { [name]: text }));
      t.match(message, new RegExp(`^--${name}: got .+, expected an integer`), message);
      const variable = `LOCKSTEP_${name.toUpperCase().replaceAll('-', '_')}`;
      const named = refusal(() => draft('mnist', {}, { [variable]: text }));
      t.equal(named, message.replace(`--${name}`, variable), 'and the variable is named');
    }
    t.equal(refusal(() => draft('mnist', { [name]: '' })).split(':')[0], `--${name}`, 'empty');
  }
  t.end();
});

t.test('learning rates and other numbers in parentheses must be binary32', (t) => {
  for (const rate of ['-1', 'nan', 'NaN', '1e309', '1e39', '-0.1', '3.5e38', '', 'x', '0x1']) {
    t.match(
      refusal(() => draft('mnist', { optimizer: `sgd(lr=${rate})` })),
      /^--optimizer: sgd: lr: got ".*", expected a number ≥ 0$/,
      `lr=${rate}`,
    );
  }
  const refused: [flag: string, text: string, says: RegExp][] = [
    ['optimizer', 'sgd(momentum=1)', /momentum: got "1", expected a number ≥ 0 and < 1/],
    ['optimizer', 'sgd(nesterov=true)', /nesterov needs a momentum above 0/],
    ['optimizer', 'adamm', /unknown name "adamm"/],
    ['optimizer', 'sgd(lr=0.1) sgd', /expected one of sgd/],
    ['optimizer', 'sgd(lr=0.1,lr=0.2)', /option "lr" twice/],
    ['init', 'hee', /unknown name "hee", did you mean "he"\?/],
    ['init', 'normal(std=-1)', /std: got "-1"/],
    ['init', 'he(gain=1)', /he has no option "gain", it takes none/],
    ['schedule', 'konstant', /did you mean "constant"\?/],
    ['scale', 'signd', /got "signd", expected signed, standard or unit/],
    ['batch-norm', 'gost', /got "gost", expected sync or ghost/],
    ['reset-running-stats', 'epochs', /got "epochs", expected never, start or epoch/],
    ['model', 'dense(10', /needs units|cannot read/],
    ['model', 'dense(10) )', /cannot read "\)"/],
    ['model', 'relu', /gives 1×28×28 outputs, expected 10/],
    ['model', 'dense(0) dense(10)', /units: got "0", expected an integer from 1 to/],
    ['model', 'dense(1e9) dense(10)', /units: got "1e9"/],
    ['model', '__proto__ dense(10)', /unknown name "__proto__"/],
    ['model', 'dense(10) batchnorm(variance=both)', /got "both", expected biased or unbiased/],
    ['model', 'dense(10) batchnorm(momentum=1e39)', /momentum: got "1e39"/],
    ['model', 'dense(65536) dense(65536) dense(10)', /parameters, expected at most/],
  ];
  for (const [flag, text, says] of refused) {
    const message = refusal(() => draft('mnist', { [flag]: text }));
    t.match(message, says, message);
    t.match(message, new RegExp(`^--${flag}: `), 'the flag is named');
  }
  t.end();
});

t.test('names of recipes and files', (t) => {
  const folder = t.testdir({ 'a b!.json': '{"model":"dense(10)"}', 'no-model.json': '{}' });
  const choose = (argument: string | undefined, parsed: Texts = {}) =>
    chooseRecipe(argument, new FlagValues([...recipeFlags, ...runFlags], parsed, {}));
  t.equal(choose(undefined).name, 'mnist');
  t.equal(choose('note').name, 'note');
  t.equal(choose(undefined, { model: 'dense(10)' }).name, 'custom');
  t.equal(choose(join(folder, 'a b!.json')).name, 'a_b_', 'fit for a folder');
  const { fields, label } = choose(join(folder, 'no-model.json'), { seed: '1' });
  t.equal(label('epochs'), `${join(folder, 'no-model.json')}: epochs`);
  t.equal(label('seed'), '--seed');
  t.match(
    refusal(() => draftRecipe(fields, label)),
    /no-model\.json: model: got nothing, expected layers/,
  );
  t.end();
});
