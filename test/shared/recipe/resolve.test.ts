/** From what a user wrote to a draft: canonical texts, defaults, and one line for everything that is wrong. */
import fc from 'fast-check';
import t from 'tap';
import { canonicalJson, recipeId } from '../../../shared/recipe/recipe.ts';
import {
  bareDefaults,
  checkSamples,
  type Draft,
  draftRecipe,
  finishRecipe,
  recipeKeys,
} from '../../../shared/recipe/resolve.ts';
import { refusal } from '../../helpers/refusal.ts';

const seed = 20261127;
t.comment(`fast-check seed ${seed}`);

const label = (key: string): string => (key === '' ? 'file' : `file: ${key}`);
const draft = (fields: unknown): Draft => draftRecipe(fields, label);
const dataset = '0f'.repeat(32);
const small = { model: 'dense(10)' };

t.test('a model alone gets the bare defaults', (t) => {
  t.same(draft(small), {
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
    shardSize: 16,
    batchNorm: 'sync',
    dropLast: false,
    resetRunningStats: 'never',
    epochs: 10,
    seed: 0,
  });
  t.equal(bareDefaults.optimizer, 'sgd(lr=0.1)');
  t.end();
});

t.test('texts become canonical', (t) => {
  const found = draft({
    model:
      ' dense( units = 200 ),sigmoid() batchnorm(momentum=0.90,epsilon=1e-6)\n dense(10) affine(slope=1)',
    init: 'std_normal(gain=0.010)',
    optimizer: 'sgd(momentum=0.9, lr=0.10)',
    schedule: 'constant()',
  });
  t.equal(found.model, 'dense(200) sigmoid batchnorm(epsilon=0.000001) dense(10) affine');
  t.equal(found.init, 'std_normal');
  t.equal(found.optimizer, 'sgd(momentum=0.9)');
  t.equal(found.schedule, 'constant');
  t.end();
});

t.test('a shard is never larger than the batch', (t) => {
  t.equal(draft({ ...small, batchSize: 3 }).shardSize, 3);
  t.equal(draft({ ...small, batchSize: 100, shardSize: 1000 }).shardSize, 100);
  t.equal(draft({ ...small, batchSize: 100 }).shardSize, 16);
  t.equal(draft({ ...small, batchSize: 100, shardSize: 7 }).shardSize, 7);
  t.end();
});

/** Fields that are all right. */
const fields = fc.record(
  {
    arithmetic: fc.constant(1),
    dataset: fc.constant(dataset),
    data: fc.constantFrom('mnist', 'some/folder'),
    trainSamples: fc.option(fc.integer({ min: 1, max: 2 ** 31 })),
    scale: fc.constantFrom('signed', 'standard', 'unit'),
    model: fc.constantFrom('dense(10)', 'dense(3) batchnorm relu dense(10)'),
    init: fc.constantFrom('glorot', 'normal(std=0.5)', `sha256:${dataset}`),
    optimizer: fc.constantFrom('sgd', 'sgd(lr=0.5,momentum=0.9,nesterov=true)', 'sgd(weightDecay=1e-4)'),
    schedule: fc.constant('constant'),
    batchSize: fc.integer({ min: 1, max: 65_536 }),
    shardSize: fc.integer({ min: 1, max: 65_536 }),
    batchNorm: fc.constantFrom('sync', 'ghost'),
    dropLast: fc.boolean(),
    resetRunningStats: fc.constantFrom('never', 'start', 'epoch'),
    epochs: fc.integer({ min: 0, max: 1_000_000 }),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  },
  { requiredKeys: ['model'] },
);

t.test('a resolved recipe, written and read again, is the same recipe', (t) => {
  fc.assert(
    fc.property(fields, (fields) => {
      const recipe = finishRecipe(draft(fields), dataset);
      const again = finishRecipe(draft(JSON.parse(canonicalJson(recipe))), dataset);
      return recipeId(again) === recipeId(recipe);
    }),
    { seed, numRuns: 200 },
  );
  t.pass('200 recipes');
  t.end();
});

t.test('what the data are called is no part of the recipe', (t) => {
  const [a, b] = ['mnist', 'a/folder'].map((data) => finishRecipe(draft({ ...small, data }), dataset));
  t.equal(recipeId(a), recipeId(b));
  t.notOk(Object.hasOwn(a, 'data'));
  t.end();
});

const keys = recipeKeys.join(', ');

/** Fields → message. */
const refusals: readonly (readonly [unknown, string])[] = [
  [undefined, 'file: got "undefined", expected an object with recipe fields'],
  [null, 'file: got "null", expected an object with recipe fields'],
  [[], 'file: got "[]", expected an object with recipe fields'],
  ['mnist', 'file: got "\\"mnist\\"", expected an object with recipe fields'],
  [7, 'file: got "7", expected an object with recipe fields'],
  [{}, 'file: model: got nothing, expected layers, for example "dense(200) sigmoid dense(10)"'],
  [{ batchsize: 3 }, 'file: batchsize: unknown recipe field "batchsize", did you mean "batchSize"?'],
  [
    { learningCurve: 3 },
    `file: learningCurve: unknown recipe field "learningCurve", expected one of ${keys}`,
  ],
  [
    JSON.parse('{"__proto__": {"model": "dense(10)"}}'),
    `file: __proto__: unknown recipe field "__proto__", expected one of ${keys}`,
  ],
  [{ constructor: 1 }, `file: constructor: unknown recipe field "constructor", expected one of ${keys}`],
  [{ arithmetic: 2 }, 'file: arithmetic: got 2, expected 1, the version of this program'],
  [{ dataset: 'abc' }, 'file: dataset: got "abc", expected a SHA-256, 64 hexadecimal digits'],
  [{ data: 3 }, 'file: data: got 3, expected a text'],
  [{ trainSamples: 0 }, 'file: trainSamples: got 0, expected an integer ≥ 1'],
  [{ trainSamples: '5' }, 'file: trainSamples: got "5", expected an integer ≥ 1'],
  [{ scale: 'sined' }, 'file: scale: got "sined", expected signed, standard or unit'],
  [{ model: 3 }, 'file: model: got 3, expected a text'],
  [{ model: null }, 'file: model: got null, expected a text'],
  [{ batchSize: 0 }, 'file: batchSize: got 0, expected an integer ≥ 1'],
  [{ batchSize: -1 }, 'file: batchSize: got -1, expected an integer ≥ 1'],
  [{ batchSize: 1.5 }, 'file: batchSize: got 1.5, expected an integer ≥ 1'],
  [{ batchSize: Number.NaN }, 'file: batchSize: got NaN, expected an integer ≥ 1'],
  [JSON.parse('{"batchSize": 1e309}'), 'file: batchSize: got Infinity, expected an integer ≥ 1'],
  [{ batchSize: 65_537 }, 'file: batchSize: got 65537, expected an integer from 1 to 65536'],
  [{ batchSize: 64n }, 'file: batchSize: got 64, expected an integer ≥ 1'],
  [64n, 'file: got "64", expected an object with recipe fields'],
  [{ batchSize: true }, 'file: batchSize: got true, expected an integer ≥ 1'],
  [{ shardSize: 0 }, 'file: shardSize: got 0, expected an integer ≥ 1'],
  [{ shardSize: {} }, 'file: shardSize: got {}, expected an integer ≥ 1'],
  [{ batchNorm: 'synch' }, 'file: batchNorm: got "synch", expected sync or ghost'],
  [{ dropLast: 'no' }, 'file: dropLast: got "no", expected true or false'],
  [
    { resetRunningStats: 'sometimes' },
    'file: resetRunningStats: got "sometimes", expected never, start or epoch',
  ],
  [{ epochs: -1 }, 'file: epochs: got -1, expected an integer ≥ 0'],
  [{ epochs: 1e39 }, 'file: epochs: got 1e+39, expected an integer ≥ 0'],
  [{ epochs: 1_000_001 }, 'file: epochs: got 1000001, expected an integer from 0 to 1000000'],
  [{ seed: 2 ** 32 }, 'file: seed: got 4294967296, expected an integer from 0 to 4294967295'],
  [{ seed: null }, 'file: seed: got null, expected an integer ≥ 0'],
  [{ init: 'hee' }, 'file: init: unknown name "hee", did you mean "he"?'],
  [
    { init: 'sha256:abc' },
    'file: init: unknown name "sha256", expected one of he, glorot, std_normal, normal, uniform',
  ],
  [{ init: 'normal(std=1e39)' }, 'file: init: normal: std: got "1e39", expected a number ≥ 0'],
  [{ optimizer: 'adam' }, 'file: optimizer: unknown name "adam", expected one of sgd'],
  [{ optimizer: 'sgd(lr=-1)' }, 'file: optimizer: sgd: lr: got "-1", expected a number ≥ 0'],
  [
    { optimizer: 'sgd(momentum=1)' },
    'file: optimizer: sgd: momentum: got "1", expected a number ≥ 0 and < 1',
  ],
  [{ optimizer: 'sgd sgd' }, 'file: optimizer: got "sgd sgd", expected one of sgd'],
  [
    { optimizer: 'sgd(nesterov=true)' },
    'file: optimizer: nesterov needs a momentum above 0, for example sgd(momentum=0.9,nesterov=true)',
  ],
  [{ schedule: 'constante' }, 'file: schedule: unknown name "constante", did you mean "constant"?'],
  [{ model: 'dens(10)' }, 'file: model: unknown name "dens", did you mean "dense"?'],
];

for (const [fields, message] of refusals) {
  t.test(`refused: ${message.slice(0, 90)}`, (t) => {
    const isObject = typeof fields === 'object' && fields !== null && Object.keys(fields).length > 0;
    const whole = isObject && !Object.hasOwn(fields, 'model') ? Object.assign(fields, small) : fields;
    t.equal(
      refusal(() => draft(whole)),
      message,
    );
    t.end();
  });
}

t.test('whatever JSON comes, it is a draft or refused in one line, and no prototype changes', (t) => {
  let [drafts, refused] = [0, 0];
  const key = fc.oneof(fc.constantFrom(...recipeKeys, '__proto__', 'constructor', 'toString'), fc.string());
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('dense(10)', 1, 64, true, 'sync'));
  const objects = fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => {
    const parts = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    return JSON.parse(`{"model":"dense(10)"${parts.map((part) => `,${part}`).join('')}}`) as unknown;
  });
  fc.assert(
    fc.property(fc.oneof(objects, fc.jsonValue({ maxDepth: 3 })), (fields) => {
      try {
        draft(fields);
        drafts++;
      } catch {
        refused++;
        refusal(() => draft(fields));
      }
    }),
    { seed, numRuns: 1000 },
  );
  t.ok(drafts > 50 && refused > 50, `${drafts} drafts, ${refused} refused`);
  t.equal(Reflect.get({}, 'model'), undefined);
  t.end();
});

t.test('samples: more than there are, none in an epoch, and all of them', (t) => {
  const some = draft({ ...small, trainSamples: 100, batchSize: 64 });
  t.equal(
    refusal(() => checkSamples(some, 99, label)),
    'file: trainSamples: got 100, expected at most 99, the samples that "mnist" has',
  );
  t.equal(checkSamples(some, 101, label).trainSamples, 100);
  t.equal(checkSamples(some, 100, label).trainSamples, null, 'all of them are no subset');
  const dropping = draft({ ...small, dropLast: true, batchSize: 64 });
  t.equal(
    refusal(() => checkSamples(dropping, 63, label)),
    'file: batchSize: got 64 with drop-last, expected at most the 63 samples of an epoch',
  );
  t.same(checkSamples(dropping, 64, label), dropping);
  const subset = { ...dropping, trainSamples: 10 };
  t.match(
    refusal(() => checkSamples(subset, 64, label)),
    /at most the 10 samples of an epoch$/,
  );
  t.end();
});
