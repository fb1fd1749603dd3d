/** Padding of parameters and of the optimizer's state is +0 and stays +0, whatever a training does. */
import t from 'tap';
import { packTensor } from '../../shared/model/tensors.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import { syntheticDataset, train } from '../helpers/train.ts';

const seed = 20261131;
const source = syntheticDataset(seed, 90, 20);

const recipes: Record<string, RecipeFields> = {
  'sigmoid, sync batch norm, momentum and decay': {
    model:
      'dense(19) batchnorm(scale=uniform) sigmoid dense(9) tanh dense(10) batchnorm affine(slope=1.5,intercept=2)',
    optimizer: 'sgd(lr=0.05,momentum=0.9,nesterov=true,weightDecay=0.001)',
    batchNorm: 'sync',
  },
  'relu, ghost batch norm': {
    model: 'dense(33) affine(slope=-1,intercept=-3) relu batchnorm(variance=unbiased) dense(10)',
    optimizer: 'sgd(lr=0.1)',
    batchNorm: 'ghost',
  },
};

for (const [name, recipe] of Object.entries(recipes)) {
  t.test(name, async (t) => {
    const fields = { ...recipe, batchSize: 32, shardSize: 7, epochs: 2, seed };
    const { run } = await train(fields, { source, threads: 2 });
    const { architecture, plan, memory } = run;
    const isValue = new Float32Array(architecture.flatSize);
    for (const tensor of architecture.tensors) {
      packTensor(isValue, tensor, new Float32Array(tensor.size).fill(1));
    }
    const padding = [...isValue.keys()].filter((i) => isValue[i] === 0);
    t.ok(padding.length > 1000, `${padding.length} floats are padding`);
    for (const [i, { flat, state }] of plan.replicas.entries()) {
      for (const [what, offset] of Object.entries({ flat, state })) {
        const floats = new Float32Array(memory.buffer, offset, architecture.flatSize);
        const wrong = padding.filter((place) => !Object.is(floats[place], 0));
        t.same(wrong, [], `${what} of replica ${i}`);
      }
    }
  });
}
