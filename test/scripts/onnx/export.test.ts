/** ONNX files: their structure by an independent reader, and what they compute, in binary64, against our own predictions. */
import t from 'tap';
import { loadModel, train } from '../../../scripts/index.ts';
import { layerNames } from '../../../shared/model/architecture.ts';
import { computeOnnx, readOnnx } from '../../helpers/onnx.ts';
import { tinyPixels } from '../../helpers/tiny-data.ts';

t.setTimeout(60_000);

const every =
  'batchnorm affine(slope=1.5,intercept=-0.25) dense(43) tanh batchnorm sigmoid dense(21) relu ' +
  'batchnorm(epsilon=0.001,variance=unbiased) dense(10) affine(slope=2,intercept=1)';

const split = (samples: number) => {
  const { pixels: images, digits: labels } = tinyPixels(samples);
  return { images, labels };
};
const data = { train: split(60), test: split(40) };
const trained = (fields: object) => train({ data, batchSize: 16, epochs: 2, threads: 1, ...fields });

t.test('what runs it finds what the format asks for', async (t) => {
  const { model } = await trained({ model: 'dense(4) batchnorm relu dense(10)' });
  const onnx = readOnnx(model.toOnnx());
  t.match(onnx, { irVersion: 8, opsets: [['', 17]], producer: 'lockstep' });
  t.strictSame(onnx.inputs, [{ name: 'images', type: 1, shape: ['batch', 1, 28, 28] }]);
  t.strictSame(onnx.outputs, [
    { name: 'probabilities', type: 1, shape: ['batch', 10] },
    { name: 'label', type: 7, shape: ['batch'] },
  ]);
  t.strictSame(
    onnx.nodes.map(({ operator }) => operator),
    ['Flatten', 'Div', 'Sub', 'Mul', 'Gemm', 'BatchNormalization', 'Relu', 'Gemm', 'Softmax', 'ArgMax'],
  );
  t.equal(
    new Set(onnx.nodes.map(({ name }) => name)).size,
    onnx.nodes.length,
    'each node has a name of its own',
  );
  for (const [name, values] of model.snapshot.tensors) {
    t.strictSame(Array.from(onnx.constants.get(name)?.values ?? []), Array.from(values), name);
  }
  t.match(onnx.metadata, { weightsDigest: model.weightsDigest, recipe: /"model":"dense\(4\)/ });
});

t.test('it computes what the model predicts, with every layer and every scale', async (t) => {
  t.strictSame(
    layerNames.filter((name) => !every.includes(name)),
    [],
    'every layer is in the model',
  );
  for (const scale of ['signed', 'standard', 'unit'] as const) {
    const { model } = await trained({ model: every, scale });
    const onnx = readOnnx(model.toOnnx());
    const { images } = data.test;
    const values = computeOnnx(onnx, { shape: [40, 1, 28, 28], values: images });
    const ours = model.predict(images);
    t.strictSame(
      Array.from(values.get('label')?.values ?? []),
      ours.map(({ label }) => label),
      `${scale}: the same labels`,
    );
    const theirs = values.get('probabilities')?.values ?? [];
    const worst = Math.max(
      ...ours.flatMap(({ probabilities }, i) =>
        probabilities.map((p, c) => Math.abs(p - theirs[i * 10 + c])),
      ),
    );
    t.ok(worst <= 1e-5, `${scale}: probabilities at most ${worst} apart`);
    t.ok(new Set(ours.map(({ label }) => label)).size > 3, 'the model says more than one thing');
  }
});

t.test('a model from a file gives the same bytes', async (t) => {
  const { model } = await trained({ model: 'dense(10)' });
  const path = `${t.testdir()}/m.safetensors`;
  model.save(path);
  t.ok(Buffer.from(loadModel(path).toOnnx()).equals(model.toOnnx()));
});
