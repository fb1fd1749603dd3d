/** `lockstep inspect FILE`: what is in a model, a recipe or a run folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { classCount, imageShape } from '../../shared/data/dataset.ts';
import { shownPath } from '../../shared/data/regular-file.ts';
import { suggestion, usageError } from '../../shared/errors.ts';
import { type Architecture, parseArchitecture } from '../../shared/model/architecture.ts';
import { isTrained, valueCount } from '../../shared/model/tensors.ts';
import { canonicalJson, recipeId } from '../../shared/recipe/recipe.ts';
import { draftRecipe, recipeKeys } from '../../shared/recipe/resolve.ts';
import { loadModel } from '../model.ts';
import { isFolder } from '../model-path.ts';
import { builtInRecipes } from '../recipes/built-in.ts';
import type { FlagValues } from './flag-values.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { grouped, Screen } from './screen.ts';

/** Runs the command and returns its exit code. @throws LockstepError */
export function inspectCommand(path: string, flags: FlagValues): number {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const found = describe(path, flags);
  for (const [name, value] of found.facts) screen.line(`${name.padEnd(15)} ${value}`);
  screen.line();
  for (const line of layerLines(found.architecture)) screen.line(line);
  screen.line();
  for (const [key, value] of recipeRows(found.recipe)) screen.line(`${key.padEnd(18)} ${value}`);
  if (json) {
    const facts = Object.fromEntries(found.facts.map(([name, value]) => [camelCase(name), value]));
    process.stdout.write(
      `${JSON.stringify({ ...facts, recipe: found.recipe, layers: layerFacts(found.architecture) })}\n`,
    );
  }
  return 0;
}

interface Description {
  readonly facts: readonly (readonly [string, string])[];
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly architecture: Architecture;
}

function describe(path: string, flags: FlagValues): Description {
  const file = fileOf(path);
  if (!file.endsWith('.json') && existsSync(file)) {
    const model = loadModel(file);
    const facts = [
      ['model', file],
      ['weights digest', model.weightsDigest],
      ['recipe id', recipeId(model.recipe)],
    ] as const;
    return { facts, recipe: JSON.parse(canonicalJson(model.recipe)), architecture: model.architecture };
  }
  const { fields, label } = chooseRecipe(file, flags);
  const draft = draftRecipe(fields, label);
  return {
    facts: [['recipe', file]],
    recipe: { ...draft },
    architecture: parseArchitecture(draft.model, imageShape, classCount, label('model')),
  };
}

/** A run folder's model, or its recipe while it has none. */
function fileOf(path: string): string {
  if (isFolder(path)) {
    const file = ['model.safetensors', 'recipe.json'].find((name) => existsSync(join(path, name)));
    if (file !== undefined) return join(path, file);
    throw usageError(
      `inspect: ${shownPath(path)} has neither a model.safetensors nor a recipe.json, expected the folder of a run`,
    );
  }
  if (existsSync(path) || Object.hasOwn(builtInRecipes, path)) return path;
  const known = Object.keys(builtInRecipes);
  throw usageError(
    `inspect: there is no ${shownPath(path)}${suggestion(path, known) || `, expected a model, a run folder, ${known.join(', ')} or a recipe in JSON`}`,
  );
}

function layerFacts({ layers }: Architecture) {
  return layers.map(({ text, input, output, tensors }, index) => ({
    index,
    layer: text,
    input,
    output,
    parameters: tensors
      .filter(({ role }) => isTrained(role))
      .reduce((sum, tensor) => sum + valueCount(tensor), 0),
    tensors: tensors.map(({ name, shape }) => ({ name, shape })),
  }));
}

function layerLines(architecture: Architecture): string[] {
  const rows = layerFacts(architecture);
  const total = rows.reduce((sum, { parameters }) => sum + parameters, 0);
  const width = Math.max(5, ...rows.map(({ layer }) => layer.length));
  return [
    `${'layer'.padEnd(width + 4)} ${'output'.padStart(9)} ${'parameters'.padStart(12)}`,
    ...rows.map(
      ({ index, layer, output, parameters }) =>
        `${String(index).padStart(2)}  ${layer.padEnd(width)} ${output.join('×').padStart(9)} ${grouped(parameters).padStart(12)}`,
    ),
    `${'in all'.padEnd(width + 14)} ${grouped(total).padStart(12)}`,
  ];
}

/** In the order of the fields' importance, the same for a recipe and for what it became. */
function recipeRows(recipe: Description['recipe']): [key: string, value: string][] {
  return recipeKeys.flatMap((key): [string, string][] => {
    const value = recipe[key];
    if (key === 'trainSamples') return [[key, value === null ? 'all' : String(value)]];
    return value === undefined || value === null ? [] : [[key, String(value)]];
  });
}

function camelCase(name: string): string {
  return name.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase());
}
