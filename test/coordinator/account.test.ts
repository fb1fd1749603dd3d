/** Who computed what: equal bits alone do not prove that the work was shared. */
import t from 'tap';
import { builtInRecipes } from '../../scripts/recipes/built-in.ts';
import { openDataset } from '../../shared/data/dataset.ts';
import { syntheticDataset, train } from '../helpers/train.ts';

t.test('the shards of all threads are the shards of all steps, as even as they can be', async (t) => {
  const source = syntheticDataset(19, 60, 131);
  // Steps of 24, 24 and 12 samples: 5, 5 and 3 shards, in two epochs.
  const fields = { model: 'dense(9) batchnorm dense(10)', batchSize: 24, shardSize: 5, epochs: 2 };
  for (const threads of [1, 2, 3, 5, 8]) {
    const { work, steps } = await train(fields, { source, threads });
    const shards = work.map((thread) => thread.shards);
    t.strictSame(
      work.map(({ name, threads }) => ({ name, threads })),
      Array.from({ length: threads }, (_, rank) => ({ name: `thread ${rank}`, threads: 1 })),
    );
    t.equal(
      shards.reduce((a, b) => a + b),
      2 * (5 + 5 + 3),
    );
    t.ok(Math.max(...shards) - Math.min(...shards) <= steps, `${shards}: at most one more a step`);
    t.ok(
      work.every(({ seconds, shards }) => (shards === 0 ? seconds >= 0 : seconds > 0)),
      'who had shards was busy',
    );
  }
});

t.test('two threads share the work of the recipe mnist: neither has less than 40 %', async (t) => {
  const source = openDataset('mnist');
  const fields = { ...builtInRecipes.mnist, trainSamples: 5000, epochs: 1 };
  // A thread whose core is taken by something else on the machine looks busy; one of three runs has to show it.
  const least: number[] = [];
  const isShared = () => least.some((share) => share >= 0.4);
  while (least.length < 3 && !isShared()) {
    const { work, steps, trainSeconds } = await train(fields, { source, threads: 2 });
    t.strictSame(
      work.map(({ shards }) => shards),
      // 39 batches of 8 shards, and one of 8 samples, which is a single shard and the second thread's
      [39 * 4, 39 * 4 + 1],
    );
    t.equal(steps, 40);
    const busy = work.map(({ seconds }) => seconds);
    least.push(Math.min(...busy) / (busy[0] + busy[1]));
    t.ok(Math.max(...busy) <= trainSeconds, `busy ${busy} of ${trainSeconds} seconds`);
  }
  t.ok(isShared(), `the smaller share of the busy seconds: ${least}`);
});
