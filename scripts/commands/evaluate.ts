/** `lockstep evaluate MODEL`: loss, accuracy and confusion matrix on the test set. */
import type { Evaluation } from '../../coordinator/evaluation.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { evaluate } from '../index.ts';
import { loadModel } from '../model.ts';
import type { FlagValues } from './flag-values.ts';
import { modelPath } from './model-path.ts';
import { grouped, percent, Screen } from './screen.ts';

/** Runs the command and returns its exit code. @throws LockstepError */
export async function evaluateCommand(argument: string, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const path = modelPath(argument, 'evaluate');
  const model = loadModel(path);
  const data = flags.text('data') ?? 'mnist';
  const result = await evaluate(model, { data, kernels });
  screen.line(`model           ${path}`);
  screen.line(`weights digest  ${model.weightsDigest}`);
  screen.line(`test samples    ${grouped(result.samples)} of ${data}`);
  screen.line(`test loss       ${result.loss.toFixed(4)}`);
  screen.line(`test accuracy   ${percent(result.accuracy)} (${grouped(result.correct)} right)`);
  screen.line();
  for (const line of confusionLines(result)) screen.line(line);
  if (json) {
    const { samples, loss: testLoss, accuracy: testAccuracy, correct, confusion } = result;
    const { weightsDigest, recipe } = model;
    const object = {
      weightsDigest,
      recipeId: recipeId(recipe),
      samples,
      testLoss,
      testAccuracy,
      correct,
      confusion,
    };
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }
  return 0;
}

function confusionLines({ confusion }: Evaluation): string[] {
  const cell = (text: string | number) => String(text).padStart(6);
  return [
    `label \\ predicted${confusion.map((_, label) => cell(label).slice(label === 0 ? 1 : 0)).join('')}`,
    ...confusion.map(
      (row, label) =>
        `${String(label).padStart(16)}${row.map((count) => cell(count === 0 ? '·' : count)).join('')}`,
    ),
  ];
}
