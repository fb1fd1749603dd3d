/** From a model's text to layers, shapes and tensors; what is no model is refused in one line. */
import t from 'tap';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import { refusal } from '../../helpers/refusal.ts';

const image = [1, 28, 28];
const parse = (text: string, classes = 10) => parseArchitecture(text, image, classes, '--model');

t.test('the note’s model has the layers, shapes and tensors that PyTorch’s Sequential has', (t) => {
  const { text, layers, tensors, flatSize, classes, input } = parse(
    'dense(200) sigmoid batchnorm(momentum=0.9,epsilon=1e-6,scale=uniform) dense(10) affine',
  );
  t.equal(text, 'dense(200) sigmoid batchnorm(epsilon=0.000001,scale=uniform) dense(10) affine');
  t.same([input, classes], [image, 10]);
  t.same(
    layers.map(({ name, input, output }) => [name, input, output]),
    [
      ['layer 0 (dense)', [1, 28, 28], [200]],
      ['layer 1 (sigmoid)', [200], [200]],
      ['layer 2 (batchnorm)', [200], [200]],
      ['layer 3 (dense)', [200], [10]],
      ['layer 4 (affine)', [10], [10]],
    ],
  );
  t.same(
    tensors.map(({ name, role, shape, layer, offset, size }) => [name, role, shape, layer, offset, size]),
    [
      ['0.weight', 'weight', [200, 784], 0, 0, 163_072],
      ['0.bias', 'bias', [200], 0, 163_072, 208],
      ['2.weight', 'scale', [200], 2, 163_280, 208],
      ['2.bias', 'shift', [200], 2, 163_488, 208],
      ['2.running_mean', 'runningMean', [200], 2, 163_696, 208],
      ['2.running_var', 'runningVariance', [200], 2, 163_904, 208],
      ['3.weight', 'weight', [10, 200], 3, 164_112, 3200],
      ['3.bias', 'bias', [10], 3, 167_312, 16],
    ],
  );
  t.equal(flatSize, 167_328);
  t.same(
    layers.map((layer) => layer.tensors.map(({ name }) => name)),
    tensors.reduce<string[][]>(
      (lists, { name, layer }) => lists.map((list, i) => (i === layer ? [...list, name] : list)),
      [[], [], [], [], []],
    ),
  );
  t.end();
});

t.test('a canonical text is its own canonical text', (t) => {
  for (const text of [
    'dense(10)',
    'dense( 3 ), relu ,dense(units=10)',
    'batchnorm(scale=uniform,variance=unbiased) dense(10) affine(intercept=1,slope=-2.5) tanh',
    'dense(1) dense(10) batchnorm(momentum=0.99)',
  ]) {
    const canonical = parse(text).text;
    t.equal(parse(canonical).text, canonical);
  }
  t.end();
});

t.test('a layer over an image keeps its shape, dense flattens it', (t) => {
  const { layers, tensors } = parse('batchnorm relu dense(10)');
  t.same(
    layers.map(({ output }) => output),
    [image, image, [10]],
  );
  t.same(tensors.find(({ name }) => name === '0.running_var')?.shape, [784]);
  t.same(tensors.find(({ name }) => name === '2.weight')?.shape, [10, 784]);
  t.end();
});

const names = 'dense, sigmoid, relu, tanh, affine, batchnorm';
const norm = 'momentum, epsilon, scale, variance';

const refusals: Record<string, string> = {
  '': '--model: got no layers, expected for example "dense(200) sigmoid dense(10)"',
  ' , ': '--model: cannot read ",", expected name(option=value, …)',
  'dense(200)':
    '--model: the last layer, dense(200), gives 200 outputs, expected 10, one a class; end the model with dense(10)',
  relu: '--model: the last layer, relu, gives 1×28×28 outputs, expected 10, one a class; end the model with dense(10)',
  'dense(10) batchnorm dense(9) relu':
    '--model: the last layer, relu, gives 9 outputs, expected 10, one a class; end the model with dense(10)',
  'dens(10)': '--model: unknown name "dens", did you mean "dense"?',
  'conv(3)': `--model: unknown name "conv", expected one of ${names}`,
  'Dense(10)': '--model: unknown name "Dense", did you mean "dense"?',
  __proto__x: `--model: unknown name "__proto__x", expected one of ${names}`,
  'constructor(1) dense(10)': `--model: unknown name "constructor", expected one of ${names}`,
  dense: '--model: dense needs units, for example dense(128)',
  'dense(0)': '--model: dense: units: got "0", expected an integer from 1 to 65536',
  'dense(-10)': '--model: dense: units: got "-10", expected an integer from 1 to 65536',
  'dense(1e309)': '--model: dense: units: got "1e309", expected an integer from 1 to 65536',
  'dense(10.5)': '--model: dense: units: got "10.5", expected an integer from 1 to 65536',
  'relu(1) dense(10)': '--model: relu has no option "1", it takes none',
  'batchnorm(moment=1) dense(10)': '--model: batchnorm has no option "moment", did you mean "momentum"?',
  'batchnorm(0.9,1e-5) dense(10)': `--model: batchnorm has no option "1e-5", expected ${norm}`,
  'batchnorm(momentum=2) dense(10)': '--model: batchnorm: momentum: got "2", expected a number ≥ 0 and ≤ 1',
  'batchnorm(epsilon=0) dense(10)': '--model: batchnorm: epsilon: got "0", expected a number > 0',
  'batchnorm(scale=2) dense(10)': '--model: batchnorm: scale: got "2", did you mean "1"?',
  'batchnorm(variance=biassed) dense(10)':
    '--model: batchnorm: variance: got "biassed", did you mean "biased"?',
  'dense(10) affine(slope=1e39)': '--model: affine: slope: got "1e39", expected a number',
  'dense(10) affine(slope=NaN)': '--model: affine: slope: got "NaN", expected a number',
};

for (const [text, message] of Object.entries(refusals)) {
  t.test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.equal(
      refusal(() => parse(text)),
      message,
    );
    t.end();
  });
}

t.test('too many layers and too many parameters are refused before anything is allocated', (t) => {
  t.equal(parse(`${'relu '.repeat(999)}dense(10)`).layers.length, 1000);
  t.equal(
    refusal(() => parse(`${'relu '.repeat(1000)}dense(10)`)),
    '--model: got 1001 layers, expected at most 1000',
  );
  const started = performance.now();
  t.equal(
    refusal(() => parse('dense(65536) dense(65536) dense(10)')),
    `--model: the model has ${784 * 65_536 + 65_536 + 65_536 ** 2 + 65_536 + 16 * 65_536 + 16} parameters, expected at most 268435456`,
  );
  t.ok(performance.now() - started < 1000);
  t.end();
});
