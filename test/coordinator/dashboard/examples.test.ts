/** Images behind the numbers of a confusion matrix. */
import t from 'tap';
import { Examples, mostExamples } from '../../../coordinator/dashboard/examples.ts';
import { playedRun } from '../../helpers/dashboard.ts';

t.test('the first twelve samples of a cell, with their images, also after the next evaluation', async (t) => {
  const run = await playedRun();
  const { plan, memory } = run;
  const { samples, images, labels: place } = plan.test;
  const labels = new Uint8Array(memory.buffer, place, samples);
  const predictions = new Uint8Array(memory.buffer, plan.predictions, samples);
  labels.set([3, 3, 5]);
  labels.fill(3, 10, 10 + 20);
  predictions.fill(9);
  predictions.set([5, 3, 5]);
  predictions.fill(5, 10, 10 + 20);
  const examples = new Examples(run, 15);
  predictions.fill(0);
  const { samples: shown, ...facts } = examples.of(3, 5);
  const all = [0, ...Array.from({ length: 20 }, (_, i) => 10 + i)];
  t.same(facts, { epoch: 15 / 7, step: 15, label: 3, prediction: 5, count: all.length });
  t.same(
    shown.map(({ sample }) => sample),
    all.slice(0, mostExamples),
  );
  for (const { sample, image } of shown) {
    const bytes = Buffer.from(image, 'base64');
    t.equal(bytes.length, 784);
    t.ok(bytes.equals(new Uint8Array(memory.buffer, images + sample * 784, 784)));
  }
  t.match(examples.of(5, 3), { count: 0, samples: [] });
});
