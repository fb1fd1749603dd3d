/** Where two states differ, and what of the step that says. */
import t from 'tap';
import { differingTensors, placeInStep } from '../../coordinator/state-difference.ts';
import { architectureOf } from '../../shared/recipe/stored.ts';
import { sampleRun } from '../helpers/run-states.ts';

const model = 'dense(3) batchnorm relu dense(20) batchnorm dense(10)';
const architecture = architectureOf(model, 'model');

t.test('each tensor that differs is told with its first element, by its bits', (t) => {
  const { state } = sampleRun({ model });
  const { state: same } = sampleRun({ model });
  t.strictSame(differingTensors(architecture, [state, same]), []);
  const { state: other } = sampleRun({ model });
  const set = (name: string, values: Record<number, number>) => {
    for (const [i, value] of Object.entries(values)) {
      const tensor = other.snapshot.tensors.get(name);
      if (tensor !== undefined) tensor[Number(i)] = value;
    }
  };
  const first = state.snapshot.tensors.get('0.weight') ?? new Float32Array();
  first[2 * 784 + 5] = 0;
  set('0.weight', { [2 * 784 + 5]: -0, [2 * 784 + 700]: Number.NaN });
  set('4.running_var', { 19: 1.5 });
  const tensor = architecture.tensors.find(({ name }) => name === '3.weight');
  // Output 17 of the panels of 16 columns, input 2.
  const place = (tensor?.offset ?? 0) + 16 * 3 + 2 * 16 + 1;
  state.optimizer[place] = 1;
  other.optimizer[place] = 2;
  const found = differingTensors(architecture, [state, other]);
  t.match(found, [
    {
      name: '0.weight',
      shape: [3, 784],
      count: 2,
      index: [2, 5],
      bits: ['0x00000000', '0x80000000'],
      values: [0, -0],
    },
    { name: '4.running_var', shape: [20], count: 1, index: [19], bits: [/^0x[0-9a-f]{8}$/, '0x3fc00000'] },
    {
      name: 'optimizer.3.weight',
      shape: [20, 3],
      count: 1,
      index: [17, 2],
      bits: ['0x3f800000', '0x40000000'],
    },
  ]);
  t.equal(found.length, 3);
  t.end();
});

const trained = (...layers: number[]) => layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);
const averages = (layer: number) => [`${layer}.running_mean`, `${layer}.running_var`];
const everything = [...trained(0, 1), ...averages(1), ...trained(3, 4), ...averages(4), ...trained(5)];
const withState = (names: readonly string[]) => [
  ...names,
  ...names.filter((name) => !name.includes('running')).map((name) => `optimizer.${name}`),
];

const cases: Record<string, [names: readonly string[], place: string | null, more?: object]> = {
  nothing: [[], null],
  'everything and another loss': [everything, 'batch moments of layer 1 (batchnorm)', { losses: [1, 2] }],
  'everything, losses unknown': [everything, 'batch moments of layer 1 (batchnorm)'],
  'averages of the second only': [
    everything.filter((name) => !averages(1).includes(name)),
    'batch moments of layer 4 (batchnorm)',
    { losses: [1, 2] },
  ],
  'all weights and another loss': [trained(0, 1, 3, 4, 5), 'loss', { losses: [1, 2] }],
  'all weights and the same loss': [trained(0, 1, 3, 4, 5), 'gradient', { losses: [1, 1] }],
  'all below the second batch norm': [
    trained(0, 1, 3),
    'batch gradient sums of layer 4 (batchnorm)',
    { losses: [1, 1] },
  ],
  'all below the first': [trained(0), 'batch gradient sums of layer 1 (batchnorm)', { losses: [1, 1] }],
  'only a part below': [['0.weight'], 'gradient', { losses: [1, 1] }],
  'the last layer': [trained(5), 'gradient'],
  'everything, with moments of shards': [everything, 'loss', { losses: [1, 2], batchNorm: 'ghost' }],
  'all below a batch norm, with moments of shards': [
    trained(0),
    'gradient',
    { losses: [1, 1], batchNorm: 'ghost' },
  ],
  'averages alone': [averages(4), 'update', { losses: [1, 1] }],
  'weights and what the optimizer keeps of them': [
    withState(['3.weight']),
    'gradient',
    { optimizer: 'sgd(momentum=0.9)' },
  ],
  'weights and not what the optimizer keeps': [['3.weight'], 'update', { optimizer: 'sgd(momentum=0.9)' }],
  'only what the optimizer keeps': [['optimizer.3.weight'], 'gradient', { optimizer: 'sgd(momentum=0.9)' }],
};

for (const [name, [names, place, more = {}]] of Object.entries(cases)) {
  t.test(`${name}: ${place}`, (t) => {
    const { losses, ...recipe } = { losses: null, batchNorm: 'sync', optimizer: 'sgd', ...more } as const;
    const differences = names.map((name) => ({
      name,
      shape: [1],
      count: 1,
      index: [0],
      bits: ['0x00000000', '0x00000001'] as const,
      values: [0, 1e-45] as const,
    }));
    t.equal(placeInStep({ architecture, recipe, differences, losses }), place);
    t.end();
  });
}
