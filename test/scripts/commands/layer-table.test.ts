import t from 'tap';
import { countText, layerLines } from '../../../scripts/commands/layer-table.ts';
import { layerFacts } from '../../../scripts/layer-facts.ts';
import { parseArchitecture } from '../../../shared/model/architecture.ts';

const facts = (model: string) => layerFacts(parseArchitecture(model, [1, 28, 28], 10, 'model'));
const note = facts('dense(200) sigmoid batchnorm dense(10)');

t.test('what a layer is: its parameters by hand, its arithmetic by hand', (t) => {
  t.same(
    note.map(({ parameters, flops }) => [parameters, flops?.forward, flops?.backward]),
    [
      // The gradient of the first layer's input is wanted by nobody.
      [784 * 200 + 200, 2 * 784 * 200, 2 * 784 * 200],
      [0, undefined, undefined],
      [400, undefined, undefined],
      [2010, 4000, 8000],
    ],
  );
  t.end();
});

t.test('a table with totals; without arithmetic where there is no room for it', (t) => {
  t.same(layerLines(note, 80), [
    'layer          output  parameters  forward  backward',
    '0  dense(200)     200     157,000    314 k     314 k',
    '1  sigmoid        200           0        ·         ·',
    '2  batchnorm      200         400        ·         ·',
    '3  dense(10)       10       2,010   4.00 k    8.00 k',
    'in all                    159,410    318 k     322 k',
  ]);
  t.same(layerLines(note, 40)[1], '0  dense(200)     200     157,000');
  t.end();
});

t.test('whatever the model is, no line is wider', (t) => {
  const long = facts(
    'batchnorm(momentum=0.123456,epsilon=0.00000123,scale=uniform,variance=unbiased) dense(2048) relu dense(10)',
  );
  for (const columns of [40, 60, 80, 120]) {
    for (const line of layerLines(long, columns)) t.ok(line.length <= columns, `${columns}: ${line}`);
  }
  t.match(layerLines(long, 80)[1], /^0 {2}batchnorm\(.*… 1×28×28 /);
  t.end();
});

t.test('counts in about three digits', (t) => {
  t.same([0, 999, 1000, 12_345, 401_408, 1_257_000, 3.2e9, undefined].map(countText), [
    '0',
    '999',
    '1.00 k',
    '12.3 k',
    '401 k',
    '1.26 M',
    '3.20 G',
    '·',
  ]);
  t.end();
});
