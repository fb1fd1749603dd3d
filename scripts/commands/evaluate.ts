/** `lockstep evaluate MODEL`: loss, accuracy, confusion matrix, and the worst mistakes. */
import { kernelChoices } from '../../shared/kernels/load.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { type EvaluationReport, evaluate, type Mistake, splits } from '../evaluate.ts';
import { loadModel } from '../model.ts';
import { modelPath } from '../model-path.ts';
import { brailleColumns, brailleLines } from './braille.ts';
import { confusionLines, shareText } from './confusion.ts';
import type { FlagValues } from './flag-values.ts';
import { grouped, percent, Screen } from './screen.ts';

const defaultWorst = 5;
const mostWorst = 1000;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function evaluateCommand(argument: string, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const split = flags.choice('split', splits) ?? 'test';
  const worst = flags.number('worst', { kind: 'integer', min: 0, max: mostWorst }) ?? defaultWorst;
  const path = modelPath(argument, 'evaluate');
  const model = loadModel(path);
  const data = flags.text('data');
  const result = await evaluate(model, { ...(data !== undefined && { data }), split, kernels, worst });
  screen.line(`model           ${path}`);
  screen.line(`weights digest  ${model.weightsDigest}`);
  screen.line(`${`${split} samples`.padEnd(15)} ${grouped(result.samples)} of ${result.data}`);
  if (result.note !== null) screen.line(result.note);
  screen.line(`${`${split} loss`.padEnd(15)} ${result.loss.toFixed(4)}`);
  screen.line(
    `${`${split} accuracy`.padEnd(15)} ${percent(result.accuracy)} (${grouped(result.correct)} right)`,
  );
  screen.line();
  for (const line of confusionLines(result.confusion, screen.columns)) screen.line(line);
  for (const line of mistakeLines(result, screen.columns)) screen.line(line);
  if (json) {
    const { loss: testLoss, accuracy: testAccuracy, badShard: _, ...rest } = result;
    const object = {
      weightsDigest: model.weightsDigest,
      recipeId: recipeId(model.recipe),
      split,
      testLoss,
      testAccuracy,
      ...rest,
      worst: result.worst.map(({ image: _, ...mistake }) => mistake),
    };
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }
  return 0;
}

/** Pictures of the mistakes, as many side by side as fit, each below its number and what it was taken for. */
function mistakeLines({ worst }: EvaluationReport, columns: number): string[] {
  const gap = '  ';
  const atOnce = Math.max(
    1,
    Math.floor((Math.min(columns, 80) + gap.length) / (brailleColumns + gap.length)),
  );
  const lines: string[] = [];
  for (let from = 0; from < worst.length; from += atOnce) {
    const pictures = worst.slice(from, from + atOnce).map(mistakePicture);
    lines.push('');
    for (let row = 0; row < pictures[0].length; row++) {
      lines.push(
        pictures
          .map((picture) => picture[row].padEnd(brailleColumns))
          .join(gap)
          .trimEnd(),
      );
    }
  }
  return worst.length === 0 ? [] : ['', 'The mistakes that it is surest of:', ...lines.slice(1)];
}

function mistakePicture({ sample, label, prediction, probability, image }: Mistake): string[] {
  return [
    `sample ${sample}`,
    `${label} as ${prediction}, ${shareText(probability)} %`,
    ...brailleLines(image),
  ];
}
