/** What a header may be before it is parsed: every one of ours and of others', none that only takes memory. */
import t from 'tap';
import { encodeCheckpoint } from '../../../coordinator/checkpoint.ts';
import { isBounded } from '../../../shared/model/header-scan.ts';
import { decodeSafetensors } from '../../../shared/model/safetensors.ts';
import { sampleRun } from '../../helpers/run-states.ts';

const bounded = (header: unknown): boolean =>
  isBounded(Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)));
const entry = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };

t.test('the longest model that a recipe can hold passes, with all that a checkpoint can have', (t) => {
  for (const model of [
    `dense(1) ${'batchnorm '.repeat(997)}dense(10)`,
    `${'dense(1) '.repeat(999)}dense(10)`,
  ]) {
    const { architecture, recipe, state } = sampleRun({ model, stopping: 'best' });
    const parts = encodeCheckpoint(architecture, recipe, state);
    t.ok(isBounded(parts[1]), `${parts[1].length} bytes`);
    t.ok(decodeSafetensors(Buffer.concat(parts), '').tensors.size > 5000);
  }
  t.end();
});

t.test('files of others pass, with white space, names of any kind and many texts', (t) => {
  t.ok(bounded({}));
  t.ok(bounded(JSON.stringify({ __metadata__: { format: 'pt' }, a: entry, b: entry }, null, 8)));
  t.ok(bounded({ '"[{\\': entry, '\\"': entry, ',,,,': { ...entry, shape: [1, 1, 1, 1, 1, 1, 1, 1] } }));
  const shortest = { dtype: 'F32', shape: [], data_offsets: [0, 4] };
  t.ok(
    bounded(
      Object.fromEntries(Array.from({ length: 90 }, (_, i) => [String.fromCharCode(33 + i), shortest])),
    ),
  );
  t.ok(
    bounded({ __metadata__: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, ''])), a: entry }),
  );
  t.end();
});

t.test('what is no list of tensors does not', (t) => {
  t.notOk(bounded({ a: { ...entry, shape: [[1]] } }), 'too deep');
  t.notOk(bounded('{}}'), 'closed too often');
  t.notOk(bounded({ a: [[], [], [], []] }), 'lists');
  t.notOk(bounded({ a: { shape: Array.from({ length: 50 }, () => 0) } }), 'numbers');
  t.notOk(bounded(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [i, 0]))), 'tensors of few bytes');
  t.notOk(bounded(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [i, {}]))), 'tensors of nothing');
  t.notOk(
    bounded({ __metadata__: Object.fromEntries(Array.from({ length: 1010 }, (_, i) => [i, ''])) }),
    'texts',
  );
  t.end();
});
