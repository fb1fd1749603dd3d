/**
 * Right by PyTorch's word too: 50 steps on MNIST, the product's against binary32 PyTorch's, from the same file.
 *
 * Both round to binary32, in other orders, so they may be off by the sum of what each may be off from the exact
 * result: twice the tolerances of reference.test.ts, where they are derived.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readInitial } from '../../scripts/model.ts';
import { bytesOf } from '../../shared/digest.ts';
import { encodeSafetensors } from '../../shared/model/safetensors.ts';
import { type JudgedRecipe, judgedRecipes, threeNorms } from '../helpers/judged-recipes.ts';
import { someMnist, tensorErrors, trainForJudge, worstRelative } from '../helpers/judged-training.ts';
import { DEADLINE_MS, findTorch, saveWithTorch, trainWithTorch } from '../helpers/torch/judge.ts';
import type { Trained } from '../helpers/train.ts';

const steps = 50;
const tensorTolerance = 2 * (2 * steps * 2 ** -24);
const lossTolerance = 2 * 1e-5;

t.setTimeout((judgedRecipes.length + 3) * DEADLINE_MS);

t.test(`PyTorch takes the product's file and trains as the product does, over ${steps} steps`, async (t) => {
  const torch = await findTorch();
  if (torch.python === null) {
    t.comment(`PyTorch IS NOT HERE, so the product was NOT compared with it: ${torch.reason}`);
    t.pass(`PyTorch IS NOT HERE, so the product was NOT compared with it: ${torch.reason}`);
    return;
  }
  t.comment(`PyTorch ${torch.version} by ${torch.python}`);
  const source = await someMnist(3500, 300);
  for (const recipe of judgedRecipes) {
    await t.test(recipe.name, async (t) => {
      const { initial, trained, samples } = await trainForJudge(recipe, source, steps);
      // load_state_dict(…, strict=True) refuses a file with any tensor too many or too few.
      const judged = await trainWithTorch(torch.python, {
        ...jobOf(recipe),
        initial: fileOf(initial),
        inputs: Float32Array.from(samples.x),
        labels: samples.labels,
        steps,
      });
      const lossError = worstRelative(trained.losses, judged.losses);
      t.ok(lossError <= lossTolerance, `losses: ${lossError} off, at most ${lossTolerance} allowed`);
      t.strictSame([...judged.tensors.keys()], [...trained.snapshot.tensors.keys()], 'the same tensors');
      for (const [name, error] of tensorErrors(trained.snapshot.tensors, judged.tensors)) {
        t.ok(error <= tensorTolerance, `${name}: ${error} off, at most ${tensorTolerance} allowed`);
      }
    });
  }

  await t.test('a trained file says the same there: loss and hits in evaluation', async (t) => {
    const { trained, test } = await trainForJudge(threeNorms, source, steps);
    const { evaluation } = await trainWithTorch(torch.python, {
      ...jobOf(threeNorms),
      initial: fileOf(trained),
      inputs: Float32Array.from(test.x),
      labels: test.labels,
      steps: 0,
    });
    const error = worstRelative([trained.test.loss], [evaluation.loss]);
    t.ok(error <= lossTolerance, `loss: ${error} off, at most ${lossTolerance} allowed`);
    t.equal(trained.test.accuracy, evaluation.correct / test.labels.length, 'as many right predictions');
  });
});

t.test('a file that PyTorch wrote is one to start from, with floats of 64, 32 and 16 bits', async (t) => {
  const torch = await findTorch();
  if (torch.python === null) {
    t.pass(`PyTorch IS NOT HERE, so NO file of its own was read: ${torch.reason}`);
    return;
  }
  const folder = t.testdir();
  await saveWithTorch(torch.python, folder);
  const model = 'dense(16) batchnorm relu dense(10)';
  for (const dtype of ['F32', 'F64', 'F16', 'BF16']) {
    const initial = readInitial(join(folder, `${dtype}.safetensors`), model);
    const ours = Buffer.concat([...initial.tensors.values()].map((values) => bytesOf(values)));
    t.ok(
      ours.equals(readFileSync(join(folder, `${dtype}.raw`))),
      `${dtype}: the bits that PyTorch makes of it`,
    );
    t.strictSame([...initial.counters.values()], [1n], 'its count of batches');
  }
});

function jobOf({ options, layers, fields }: JudgedRecipe) {
  return { ...options, layers, batchSize: fields.batchSize, dtype: 'float32' } as const;
}

/** The bytes of the safetensors file of a model. */
function fileOf({ run, snapshot }: Trained): Uint8Array {
  return Buffer.concat(encodeSafetensors(run.architecture, snapshot, { made: 'for PyTorch' }));
}
