/** What evaluate says beside loss and accuracy: classes and mistakes, counted again by hand from predictions. */
import t from 'tap';
import { evaluate, train } from '../../scripts/index.ts';
import { randomNumbers } from '../helpers/reference/random-data.ts';
import { rejection } from '../helpers/rejection.ts';

const random = randomNumbers(20261123);
/** Hard to tell: the row that says the label is hardly brighter, and no sample is a 9. */
const samplesOf = (count: number) => {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 9);
  const images = Uint8Array.from({ length: count * 784 }, (_, i) => {
    const isBright = Math.floor((i % 784) / 56) === labels[Math.floor(i / 784)];
    return 120 + (isBright ? 9 : 0) + 60 * random();
  });
  return { images, labels };
};
const data = { train: samplesOf(200), test: samplesOf(150) };
const options = { data, model: 'dense(10)', batchSize: 20, epochs: 2, threads: 1 } as const;

t.test('precision, recall, support and mistakes are those of the predictions', async (t) => {
  const { model } = await train(options);
  for (const split of ['test', 'train'] as const) {
    const { images, labels } = data[split];
    const predictions = model.predict(images);
    const report = await evaluate(model, { data, split, worst: 1000 });
    t.ok(report.correct > 20 && report.correct < labels.length - 20, `${report.correct} right`);
    for (const { label, precision, recall, support } of report.classes) {
      const isThis = [...labels.keys()].filter((i) => labels[i] === label);
      const said = [...labels.keys()].filter((i) => predictions[i].label === label);
      const both = isThis.filter((i) => said.includes(i)).length;
      t.equal(support, isThis.length);
      t.equal(recall, isThis.length === 0 ? null : both / isThis.length, `recall of ${label}`);
      t.equal(precision, said.length === 0 ? null : both / said.length, `precision of ${label}`);
    }
    t.equal(report.classes[9].recall, null, 'there is no 9');
    const wrong = [...labels.keys()].filter((i) => predictions[i].label !== labels[i]);
    t.strictSame(
      report.worst.map(({ sample }) => sample).sort((a, b) => a - b),
      wrong,
      'every mistake, once',
    );
    for (const [
      i,
      { sample, label, prediction, probability, labelProbability, image },
    ] of report.worst.entries()) {
      t.ok(i === 0 || probability <= report.worst[i - 1].probability, 'the surest first');
      t.strictSame([label, prediction], [labels[sample], predictions[sample].label]);
      t.equal(probability, predictions[sample].probabilities[prediction]);
      t.equal(labelProbability, predictions[sample].probabilities[label]);
      t.strictSame(image, images.slice(sample * 784, (sample + 1) * 784));
    }
  }
});

t.test(
  'the data are those it was trained on if they are known, else it is said that they are not',
  async (t) => {
    const { model } = await train(options);
    t.match(await evaluate(model, { data }), { data: 'memory', note: null });
    t.match(await evaluate(model), {
      data: 'mnist',
      note: /^mnist is not the data that the model was trained on/,
    });
    const { model: ofMnist } = await train({ ...options, data: 'mnist', epochs: 0 });
    t.match(await evaluate(ofMnist), { data: 'mnist', note: null, samples: 10_000 });
  },
);

t.test('so many mistakes as are asked for', async (t) => {
  const { model } = await train(options);
  const all = (await evaluate(model, { data, worst: 1000 })).worst;
  t.strictSame((await evaluate(model, { data })).worst, all.slice(0, 10));
  t.strictSame((await evaluate(model, { data, worst: 3 })).worst, all.slice(0, 3));
  t.strictSame((await evaluate(model, { data, worst: 0 })).worst, []);
  for (const worst of [-1, 0.5, Number.NaN]) {
    t.match(
      await rejection(evaluate(model, { data, worst }), 'USAGE'),
      `evaluate: worst: got ${worst}, expected an integer ≥ 0`,
    );
  }
});
