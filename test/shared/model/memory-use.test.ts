/** Every byte of a plan is for something, and for what it is said to be. */
import t from 'tap';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import { planMemory, type Sizes } from '../../../shared/model/memory-plan.ts';
import { memoryParts, memoryUse, placesOf } from '../../../shared/model/memory-use.ts';

const sizes: Sizes = {
  samples: { train: 6000, test: 1000 },
  epochSamples: 5000,
  batchSize: 64,
  shardSize: 16,
  threads: 1,
};
const models = [
  'dense(10)',
  'dense(200) sigmoid batchnorm dense(10)',
  'batchnorm relu dense(64) tanh affine dense(10)',
];

t.test('the parts are all of the plan, whatever is planned', (t) => {
  for (const model of models) {
    const architecture = parseArchitecture(model, [1, 28, 28], 10, 'model');
    for (const change of [
      {},
      { threads: 3 },
      { isRemote: true, threads: 2 },
      { samples: { train: 0, test: 1 } },
    ]) {
      const plan = planMemory(architecture, { ...sizes, ...change });
      const uses = memoryUse(plan);
      const sum = memoryParts.reduce((total, part) => total + uses[part], 0);
      t.equal(sum, plan.bytes, `${model} ${JSON.stringify(change)}`);
      t.ok(memoryParts.every((part) => uses[part] > 0));
    }
  }
  t.end();
});

t.test(
  'data, parameters and optimizer are what they must be, but for being placed at multiples of 64',
  (t) => {
    const architecture = parseArchitecture(models[1], [1, 28, 28], 10, 'model');
    const uses = memoryUse(planMemory(architecture, sizes));
    const near = (bytes: number, expected: number, places: number) =>
      t.ok(bytes >= expected && bytes < expected + 64 * places, `${bytes}, expected ${expected}`);
    near(uses.data, 7000 * 785 + 4 * 5000, 5);
    near(uses.parameters, 2 * 4 * architecture.flatSize, 2);
    near(uses.optimizer, 2 * 4 * architecture.flatSize, 2);
    t.end();
  },
);

t.test('every place of a plan has a part', (t) => {
  /** What of a plan is a number and no place. */
  const counts = new Set([
    ...['bytes', 'shardCount', 'evaluationSlots', 'stepCount', 'samples', 'totalBytes', 'slotBytes'],
    ...['width', 'panels', 'stride'],
  ]);
  for (const change of [{}, { threads: 3 }, { isRemote: true, threads: 2 }]) {
    const architecture = parseArchitecture(models[1], [1, 28, 28], 10, 'model');
    const plan = planMemory(architecture, { ...sizes, ...change });
    const known = new Set(placesOf(plan).map(({ offset }) => offset));
    const look = (value: unknown, name: string): void => {
      if (typeof value === 'number') t.ok(known.has(value), `${name} at ${value}`);
      else if (typeof value === 'object' && value !== null) {
        for (const [key, one] of Object.entries(value)) {
          if (!counts.has(key)) look(one, `${name}.${key}`);
        }
      }
    };
    look(plan, 'plan');
    t.ok(known.size > 20);
  }
  t.end();
});

t.test('more samples are more data, and what travels needs room', (t) => {
  const architecture = parseArchitecture('dense(10)', [1, 28, 28], 10, 'model');
  const uses = (change: Partial<Sizes>) => memoryUse(planMemory(architecture, { ...sizes, ...change }));
  const [one, more] = [uses({}), uses({ samples: { train: 6064, test: 1000 } })];
  t.equal(more.data - one.data, 64 * 785);
  // A loss for each shard of an evaluation, and a prediction for each of its samples, are more too.
  t.same({ ...more, data: 0, partials: 0, other: 0 }, { ...one, data: 0, partials: 0, other: 0 });
  const remote = uses({ isRemote: true });
  t.ok(remote.partials > one.partials);
  t.same({ ...remote, partials: 0 }, { ...one, partials: 0 });
  t.end();
});
