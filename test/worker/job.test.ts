/** What a worker makes of a welcome, and of one that makes no sense. */
import t from 'tap';
import { canonicalJson, type Recipe } from '../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../shared/recipe/resolve.ts';
import { readJob } from '../../worker/job.ts';
import { refusal } from '../helpers/refusal.ts';

const fields = { model: 'dense(10)', batchSize: 8, trainSamples: 40, epochs: 1 };
const recipe = finishRecipe(
  draftRecipe(fields, (key) => key),
  'a'.repeat(64),
);
const samples = { train: 60, test: 20 };
const welcome = { type: 'welcome', version: '1', run: 1, ticket: 'ticket', name: 'ada' } as const;
const read = (json: string, sizes = samples) =>
  readJob({ ...welcome, recipe: json, samples: sizes }, '10.0.0.7:7077');
const changed = (changes: Partial<Record<keyof Recipe, unknown>>) =>
  canonicalJson({ ...recipe, ...changes } as Recipe);

t.test('the recipe of a welcome is that of the run, with every kind of initial values', (t) => {
  for (const init of [recipe.init, `sha256:${'b'.repeat(64)}`]) {
    const job = read(changed({ init }));
    t.same(job, { recipe: { ...recipe, init }, samples });
  }
  t.end();
});

t.test('what is no recipe of this version is refused in one line that says who sent what', (t) => {
  for (const [json, says] of [
    ['{oops', /its recipe: got "\{oops", expected JSON;/],
    ['"\\u001b[2J"', /its recipe: .*expected an object/],
    ['[]', /its recipe: all of it: got "\[\]", expected an object with recipe fields;/],
    [`{"__proto__":{},${changed({}).slice(1)}`, /its recipe: __proto__: unknown recipe field/],
    [changed({ batchSize: -1 }), /its recipe: batchSize: got -1, expected an integer/],
    [changed({ model: 'dense(0)' }), /its recipe: model: /],
    [changed({ arithmetic: 99 }), /its recipe: arithmetic: got 99, expected \d+/],
    [changed({ trainSamples: 61 }), /its recipe: trainSamples: got 61, expected at most 60/],
    [changed({ dataset: undefined }), /its recipe: got "\{.*, expected canonical JSON with every field;/],
    [JSON.stringify(recipe), /its recipe: got "\{.*, expected canonical JSON with every field;/],
  ] as const) {
    const message = refusal(() => read(json), 'REFUSED');
    t.match(
      message,
      /^coordinator 10\.0\.0\.7:7077: .*; install the same version on both, here is Lockstep \d/,
    );
    t.match(message, says);
  }
  t.end();
});

t.test('an epoch without a step is refused', (t) => {
  const json = changed({ dropLast: true, trainSamples: null });
  t.match(
    refusal(() => read(json, { train: 7, test: 20 }), 'REFUSED'),
    /its recipe: batchSize: got 8 with drop-last, expected at most the 7 samples/,
  );
  t.ok(read(json, { train: 8, test: 20 }));
  t.end();
});
