/** What is to be trained, from a built-in recipe or a file, and the flags over it. */
import { closeSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { largestRecipe } from '../../coordinator/run-recipe.ts';
import { parseNumber } from '../../shared/calls.ts';
import { openRegularFile, readStart, shownPath } from '../../shared/data/regular-file.ts';
import { LockstepError, quoted, reasonOf, suggestion, usageError } from '../../shared/errors.ts';
import { initialisationNames } from '../../shared/model/initialisation.ts';
import type { Snapshot } from '../../shared/model/snapshot.ts';
import { weightsDigest } from '../../shared/model/snapshot.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { draftRecipe, type Label } from '../../shared/recipe/resolve.ts';
import { readInitial } from '../model.ts';
import { isFolder, modelPath } from '../model-path.ts';
import { builtInFields, builtInRecipes } from '../recipes/built-in.ts';
import { publishedName } from '../recipes/digests.ts';
import type { ResumedRun } from '../resumed-run.ts';
import { runFiles } from '../run-keeper.ts';
import type { Flag } from './flag.ts';
import type { FlagValues } from './flag-values.ts';
import { recipeFlags } from './flags.ts';

export interface RecipeChoice {
  /** For the run folder's name: the built-in's name, the file's, or `custom`; of a run that goes on, the one it had. */
  readonly name: string;
  readonly fields: Record<string, unknown>;
  readonly label: Label;
  /** The model to start from, where `--init` names a file. */
  readonly initial: Snapshot | null;
}

/** What a run that goes on says of its recipe. */
type KnownRun = Pick<ResumedRun, 'folder' | 'recipe' | 'recipeName' | 'data'>;

/**
 * @param resumed the run that goes on, whose own recipe it is where nothing else is said
 * @throws LockstepError (USAGE, DATA)
 */
export function chooseRecipe(
  argument: string | undefined,
  flags: FlagValues,
  resumed: KnownRun | null = null,
): RecipeChoice {
  const base = argument === undefined && resumed !== null ? ownFields(resumed) : baseFields(argument, flags);
  const place = resumed === null || resumed.data === null ? {} : { data: resumed.data };
  const fields: Record<string, unknown> = { ...place, ...base.fields };
  const labels = new Map<string, string>();
  for (const { name, kind, field } of recipeFlags) {
    if (field === undefined || !flags.has(name)) continue;
    fields[field] = kind === 'switch' ? flags.isOn(name) : fieldValue(flags.text(name) ?? '', kind);
    labels.set(field, flags.label(name));
  }
  const label: Label = (key) => labels.get(key) ?? `${base.where}${key === '' ? '' : `: ${key}`}`;
  return { name: base.name, label, ...withInitial(fields, label) };
}

function ownFields({ folder, recipe, recipeName }: KnownRun): {
  name: string;
  where: string;
  fields: object;
} {
  // A folder from before names were kept may have a known recipe, and has a name itself.
  const name = recipeName ?? publishedName(recipeId(recipe)) ?? basename(folder);
  return { name, where: join(folder, runFiles.recipe), fields: recipe };
}

function baseFields(
  argument: string | undefined,
  flags: FlagValues,
): { name: string; where: string; fields: object } {
  if (argument === undefined && flags.has('model')) return { name: 'custom', where: 'recipe', fields: {} };
  const name = argument ?? 'mnist';
  if (Object.hasOwn(builtInRecipes, name))
    return { name, where: `recipe ${name}`, fields: builtInFields(name) };
  if (!existsSync(name)) {
    const known = Object.keys(builtInRecipes);
    throw usageError(
      `recipe: got ${quoted(name)}, which is neither built in nor a file${suggestion(name, known) || `, expected ${known.join(', ')} or a JSON file`}`,
    );
  }
  if (isFolder(name)) {
    const inside = join(name, 'recipe.json');
    const hint = existsSync(inside) ? `, did you mean ${shownPath(inside)}?` : '';
    throw usageError(`recipe: ${shownPath(name)} is a folder, expected a JSON file${hint}`);
  }
  const file = name.split(/[/\\]/).at(-1) ?? name;
  return {
    name: file.replace(/\.json$/, '').replace(/[^\w-]/g, '_') || 'custom',
    where: shownPath(name).slice(1, -1),
    fields: readRecipe(name),
  };
}

/** Whatever is wrong with a recipe's file is wrong with the recipe: exit code 2. */
function readRecipe(path: string): object {
  try {
    const parsed: unknown = JSON.parse(readText(path));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch (error) {
    if (error instanceof LockstepError) throw usageError(error.message, error);
    throw usageError(
      `${shownPath(path)}: is not JSON (${quoted(reasonOf(error)).slice(1, -1)}), expected a recipe, an object with fields like "model"`,
      error,
    );
  }
  throw usageError(`${shownPath(path)}: is no JSON object, expected a recipe with fields like "model"`);
}

function readText(path: string): string {
  const file = openRegularFile(path);
  try {
    if (file.sizeBytes > largestRecipe) {
      throw usageError(
        `${shownPath(path)}: has ${file.sizeBytes} bytes, expected a recipe of at most ${largestRecipe}`,
      );
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(readStart(file, file.sizeBytes));
  } finally {
    closeSync(file.fd);
  }
}

/** What cannot be read as a number goes on as text, for the recipe's check to show it as it was written. */
function fieldValue(text: string, kind: Exclude<Flag['kind'], 'switch'>): string | number {
  const number = kind === 'number' ? parseNumber(text) : Number.NaN;
  return Number.isFinite(number) ? number : text;
}

/** An init that is no known name but a file becomes the digest of that file's tensors. */
function withInitial(
  fields: Record<string, unknown>,
  label: Label,
): Pick<RecipeChoice, 'fields' | 'initial'> {
  const { init } = fields;
  if (typeof init !== 'string' || !isFile(init)) return { fields, initial: null };
  const { model } = draftRecipe({ ...fields, init: 'he' }, label);
  const initial = readInitial(modelPath(init, label('init')), model);
  return { fields: { ...fields, init: `sha256:${weightsDigest(initial)}` }, initial };
}

function isFile(init: string): boolean {
  const isName = initialisationNames.includes(init.split('(')[0].trim());
  return !isName && (/[/\\]|\.safetensors$/.test(init) || existsSync(init));
}
