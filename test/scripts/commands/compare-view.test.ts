/** What a comparison looks like. */
import t from 'tap';
import type { Comparison } from '../../../coordinator/compare.ts';
import type { RunDifference } from '../../../coordinator/investigation.ts';
import { comparisonLines } from '../../../scripts/commands/compare-view.ts';

const same: Comparison = {
  same: true,
  recipeIds: ['1'.repeat(64), '1'.repeat(64)],
  fields: [],
  steps: [1200, 1200],
  difference: null,
};
const difference: RunDifference = {
  step: 57,
  digests: ['a'.repeat(64), 'b'.repeat(64)],
  fault: 'second',
  rerun: { from: 50, to: 57, digest: 'a'.repeat(64) },
  losses: [0.5, 0.5],
  states: {
    step: 57,
    place: 'gradient',
    tensors: [
      {
        name: '0.weight',
        shape: [200, 784],
        count: 1,
        index: [12, 345],
        bits: ['0x3f8ccccd', '0x3f8cccce'],
        values: [1.100000023841858, 1.1000001430511475],
      },
    ],
  },
  missing: [],
};
const lines = (comparison: Partial<Comparison>, columns = 80) =>
  comparisonLines({ ...same, ...comparison }, ['runs/a', 'runs/b'], columns);
const differing = (more: Partial<RunDifference>, columns = 80) =>
  lines({ same: false, difference: { ...difference, ...more } }, columns);

t.test('what is the same is one line, also where one run is behind', (t) => {
  t.strictSame(lines({}), [
    'first         runs/a, 1,200 steps',
    'second        runs/b, 1,200 steps',
    '',
    'The same bits after each of 1,200 steps.',
  ]);
  const behind = (steps: [number, number]) => lines({ steps }).at(-1);
  t.equal(behind([3, 1200]), 'The same bits after each of the 3 steps that the first has done.');
  t.equal(behind([1200, 1]), 'The same bits after each of the 1 step that the second has done.');
  t.end();
});

t.test('what differs is shown with its bits', (t) => {
  t.strictSame(differing({}).slice(3), [
    'They part at step 57.',
    `first digest  ${'a'.repeat(64)}`,
    `second digest ${'b'.repeat(64)}`,
    'loss          0.5 in both',
    'this machine  has computed steps 51 to 57 again and agrees with the first: the',
    '              second is at fault',
    'arose in      gradient',
    '',
    'After step 57 1 value differs:',
    '',
    'tensor    differ       of  the first  first       second',
    '0.weight       1  156,800  [12, 345]  0x3f8ccccd  0x3f8cccce',
    '                                      1.10000002  1.10000014',
  ]);
  t.end();
});

t.test('every outcome has its words', (t) => {
  const text = (more: Partial<RunDifference>) => differing(more, 200).join('\n');
  t.match(text({ fault: 'first' }), /agrees with the second: the first is at fault/);
  t.match(text({ fault: 'both' }), /agrees with neither/);
  t.match(text({ rerun: { from: 56, to: 57, digest: '' } }), /has computed step 57 again/);
  t.match(
    text({ step: 0, rerun: { from: 0, to: 0, digest: '' } }),
    /different models\.[\s\S]*made the model again/,
  );
  t.match(text({ losses: [0.5, 0.25] }), /loss {10}0\.5, 0\.25\n/);
  t.notMatch(text({ rerun: null, fault: 'unknown', losses: null }), /this machine|loss/);
  const later = { step: 60, place: null, tensors: [] };
  t.match(
    text({ states: later }),
    /After step 60, the first after which both are known, no value differs, only what/,
  );
  t.notMatch(text({ states: later }), /arose/);
  t.match(text({ states: null, missing: ['One thing.', 'Another.'] }), /\n\nOne thing\.\n\nAnother\.$/);
  t.end();
});

t.test('many tensors are cut short, and fields are shown pair by pair', (t) => {
  const [tensor] = difference.states?.tensors ?? [];
  const tensors = Array.from({ length: 30 }, (_, i) => ({ ...tensor, name: `${i}.weight`, count: 1000 }));
  const many = differing({ states: { step: 57, place: null, tensors } });
  t.equal(many.at(-1), '… and 10 more (--json names all)');
  t.match(many.join('\n'), /After step 57 30,000 values differ:/);
  const fields = [
    { field: 'epochs', values: [2, 3] },
    { field: 'trainSamples', values: [null, 60] },
    { field: 'earlyStopping', values: [undefined, 'testLoss'] },
  ] as const;
  t.strictSame(lines({ fields }).slice(3, -2), [
    'The recipes differ in 3 fields:',
    '  epochs      first   2',
    '              second  3',
    '  trainSamples',
    '              first   all',
    '              second  60',
    '  earlyStopping',
    '              first   (not there)',
    '              second  testLoss',
  ]);
  t.end();
});

t.test('it fits 80 columns', (t) => {
  const all = [...differing({ missing: ['word '.repeat(60).trim()] }), ...differing({ fault: 'both' })];
  t.same(
    all.filter((line) => line.length > 80),
    [],
  );
  t.end();
});
