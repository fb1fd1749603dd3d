/** `lockstep predict MODEL IMAGE…`: what images show, and how sure that is. */
import { basename } from 'node:path';
import { classCount } from '../../shared/data/dataset.ts';
import { shownPath } from '../../shared/data/regular-file.ts';
import { fits } from '../../shared/images/digit.ts';
import { kernelChoices, loadKernels } from '../../shared/kernels/load.ts';
import { evaluationShard } from '../../shared/model/memory-plan.ts';
import type { Prediction } from '../../shared/predictor.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { readFirst } from '../images/read-images.ts';
import { loadModel } from '../model.ts';
import { modelPath } from '../model-path.ts';
import type { FlagValues } from './flag-values.ts';
import { grouped, Screen } from './screen.ts';

const defaultFirst = 10_000;
/** Ten columns of five and one of six leave this much of 80, and a sign for percent. */
const nameColumns = 22;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function predictCommand(
  argument: string,
  paths: readonly string[],
  flags: FlagValues,
): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const first = flags.number('first', { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER });
  const fit = flags.choice('fit', fits) ?? 'digit';
  const kernels = loadKernels(flags.choice('kernels', kernelChoices) ?? 'auto');
  const path = modelPath(argument, 'predict');
  const model = loadModel(path);
  const inference = model.inference(kernels, evaluationShard);
  // All are read before anything is said, so that what cannot be read stops it at once.
  const files = [];
  for (const path of paths)
    files.push({ path, ...(await readFirst(path, first ?? defaultFirst, fit, 'predict')) });
  const results = files.map(({ path, samples, available }) => ({
    path,
    available,
    predictions: inference.predict(samples),
  }));
  screen.line(titleLine());
  for (const { path, available, predictions } of results) {
    for (const [index, prediction] of predictions.entries()) {
      screen.line(predictionLine(imageName(path, available > 1 ? index : null), prediction));
    }
    if (predictions.length < available && first === undefined) {
      screen.line(
        `The first ${grouped(predictions.length)} of ${grouped(available)} images; --first N reads more.`,
      );
    }
  }
  if (json) {
    const predictions = results.flatMap(({ path, predictions }) =>
      predictions.map(({ label, probabilities }, index) => ({ image: path, index, label, probabilities })),
    );
    const { weightsDigest, recipe } = model;
    process.stdout.write(`${JSON.stringify({ weightsDigest, recipeId: recipeId(recipe), predictions })}\n`);
  }
  return 0;
}

function titleLine(): string {
  const classes = Array.from({ length: classCount }, (_, label) => String(label).padStart(5));
  return `${'image'.padEnd(nameColumns)} label${classes.join('')} %`;
}

function predictionLine(name: string, { label, probabilities }: Prediction): string {
  const cells = probabilities.map((probability) => percentCell(probability).padStart(5));
  return `${name.padEnd(nameColumns)} ${String(label).padStart(5)}${cells.join('')}`;
}

/** `99.9`, `100`, a dot for what rounds to nothing. */
function percentCell(probability: number): string {
  const text = (100 * probability).toFixed(1);
  if (text === '0.0') return '·';
  return text === '100.0' ? '100' : text;
}

/** A file's name with the image's number in it, cut at its beginning where it is too long. */
function imageName(path: string, index: number | null): string {
  const name = shownPath(basename(path)).slice(1, -1) + (index === null ? '' : ` ${index}`);
  return name.length <= nameColumns ? name : `…${name.slice(1 - nameColumns)}`;
}
