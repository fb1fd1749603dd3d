/** `lockstep export MODEL FILE`: a model for other programs. */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { writeDurably } from '../../coordinator/durable-file.ts';
import { shownPath } from '../../shared/data/regular-file.ts';
import { usageError } from '../../shared/errors.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { loadModel, type TrainedModel } from '../model.ts';
import { modelPath } from '../model-path.ts';
import type { FlagValues } from './flag-values.ts';
import { grouped, Screen } from './screen.ts';

/** By the ending of the file's name. */
const formats: Readonly<Record<string, (model: TrainedModel, path: string) => void>> = {
  '.onnx': (model, path) => writeDurably(path, [model.toOnnx()]),
  '.safetensors': (model, path) => model.save(path),
};

/** Runs the command and returns its exit code. @throws LockstepError */
export function exportCommand(argument: string, target: string, flags: FlagValues): number {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const format = extname(target).toLowerCase();
  if (!Object.hasOwn(formats, format)) {
    throw usageError(
      `export: got ${shownPath(target)}, expected a name that ends in ${Object.keys(formats).join(' or ')}`,
    );
  }
  const path = modelPath(argument, 'export');
  const model = loadModel(path);
  formats[format](model, target);
  const bytes = statSync(target).size;
  screen.line(`model           ${path}`);
  screen.line(`weights digest  ${model.weightsDigest}`);
  screen.line(`written         ${target}, ${grouped(bytes)} bytes`);
  if (format === '.onnx') {
    screen.line('input           images, float32 (batch, 1, 28, 28), the bytes 0 to 255');
    screen.line('outputs         probabilities, float32 (batch, 10); label, int64 (batch)');
  }
  if (json) {
    const { weightsDigest, recipe } = model;
    const object = { model: path, weightsDigest, recipeId: recipeId(recipe), file: target, bytes };
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }
  return 0;
}
