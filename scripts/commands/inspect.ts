/** `lockstep inspect FILE`: what is in a model, a checkpoint, a run folder, a recipe, or any safetensors file. */
import { knownName } from '../../shared/data/dataset.ts';
import { oneLine, quoted } from '../../shared/errors.ts';
import type { SafetensorsFile } from '../../shared/model/safetensors.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { recipeKeys } from '../../shared/recipe/resolve.ts';
import { layerFacts } from '../layer-facts.ts';
import { digestOf } from '../recipes/digests.ts';
import { type Contents, type EpochFacts, readContents } from './contents.ts';
import type { FlagValues } from './flag-values.ts';
import { layerLines } from './layer-table.ts';
import { csvTable, showCsv } from './log-csv.ts';
import { grouped, percent, Screen } from './screen.ts';
import { commandText } from './shell-word.ts';

type Facts = readonly (readonly [name: string, value: string | number])[];

/** The last ones are shown; JSON has all. */
const shownEpochs = 10;
const shownTensors = 100;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function inspectCommand(path: string, flags: FlagValues): Promise<number> {
  const table = csvTable(flags);
  return table === null ? inspect(path, flags) : showCsv(path, table);
}

function inspect(path: string, flags: FlagValues): number {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  const found = readContents(path, flags);
  const facts = factsOf(found);
  for (const [name, value] of facts) screen.line(`${name.padEnd(15)} ${value}`);
  for (const section of sectionsOf(found, screen.columns)) {
    screen.line();
    for (const line of section) screen.line(line);
  }
  if (json) {
    const named = facts.filter(([name]) => name !== '');
    const { kind, file } = found;
    const object = { kind, file, ...Object.fromEntries(named.map(camelCased)), ...details(found) };
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }
  return 0;
}

/** What stands above: where it is, what it is, where it came from. */
function factsOf(found: Contents): Facts {
  const { file, run } = found;
  const place: Facts = run === null ? [] : [['run', run.folder]];
  switch (found.kind) {
    case 'recipe':
      return [...place, ['recipe', file], ...(run === null ? [] : [['model', 'none yet'] as const])];
    case 'foreign':
      return [...place, ['model', file], ['written by', 'another program']];
    case 'model':
    case 'checkpoint':
      return [...place, ...weightFacts(found)];
    default:
      return found satisfies never;
  }
}

function weightFacts({
  kind,
  file,
  run,
  model,
  metadata,
  checkpoint,
}: Extract<Contents, { model: unknown }>): Facts {
  const { recipe, weightsDigest } = model;
  const isPublished = kind === 'model' && digestOf(recipeId(recipe)) === weightsDigest;
  const { init, seed } = recipe;
  return [
    [kind, file],
    ['weights digest', weightsDigest],
    ...(isPublished ? [['', 'the published digest: the same bits as everywhere'] as const] : []),
    ...(checkpoint === null ? [] : positionFacts(checkpoint, metadata)),
    ...(run === null || run.checkpoints === 0 ? [] : [['checkpoints', run.checkpoints] as const]),
    ['recipe id', recipeId(recipe)],
    ['written by', `Lockstep ${oneLine(metadata.lockstep ?? 'of an unknown version')}`],
    ['training data', knownName(recipe.dataset) ?? recipe.dataset],
    ['started from', init.startsWith('sha256:') ? `the weights ${init}` : `${init}, seed ${seed}`],
  ];
}

/** Where a checkpoint's run was. */
function positionFacts(
  { recipe, state }: NonNullable<Extract<Contents, { model: unknown }>['checkpoint']>,
  metadata: SafetensorsFile['metadata'],
): Facts {
  const { epoch, step, stopping } = state;
  const into = step === 0 ? '' : `, and ${grouped(step)} steps of the next`;
  const best = stopping?.best;
  return [
    ['state digest', metadata.stateDigest],
    ['position', `${grouped(epoch)} of ${grouped(recipe.epochs)} epochs${into}`],
    ...(best ? [['best so far', `${best.value} after epoch ${best.epoch}`] as const] : []),
  ];
}

/** Blocks of lines, with an empty line before each. */
function sectionsOf(found: Contents, columns: number): string[][] {
  if (found.kind === 'foreign')
    return [startLines(found.file), tensorLines(found.stored), metadataLines(found.stored)].filter(isFilled);
  const { architecture, recipe, epochs } = found;
  // A SHA-256 has just room in 80 columns beside a shorter column of names.
  const rows = recipeRows(recipe).map(
    ([key, value]) => `${key.padEnd(Math.min(17, 79 - value.length))} ${value}`,
  );
  return [layerLines(layerFacts(architecture), columns), rows, epochLines(epochs)].filter(isFilled);
}

/** What JSON has beside the facts. */
function details(found: Contents): object {
  if (found.kind === 'foreign') {
    const { tensors, metadata } = found.stored;
    return {
      tensors: [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      metadata,
    };
  }
  const { recipe, architecture, epochs } = found;
  const position =
    found.kind === 'checkpoint' && found.checkpoint !== null
      ? { cursor: { epoch: found.checkpoint.state.epoch, step: found.checkpoint.state.step } }
      : {};
  return { recipe, layers: layerFacts(architecture), epochs, ...position };
}

function epochLines(epochs: readonly EpochFacts[]): string[] {
  if (epochs.length === 0) return [];
  const last = epochs.slice(-shownEpochs);
  const left = epochs.length - last.length;
  return [
    'epoch    loss  test loss  test accuracy  seconds',
    ...(left === 0 ? [] : [`${grouped(left)} before`]),
    ...last.map(
      ({ epoch, loss, testLoss, testAccuracy, seconds }) =>
        `${String(epoch).padStart(5)}  ${loss.toFixed(4)}  ${testLoss.toFixed(4).padStart(9)}` +
        `  ${percent(testAccuracy).padStart(13)}  ${seconds.toFixed(1).padStart(7)}`,
    ),
  ];
}

function startLines(file: string): string[] {
  return [
    'It has no recipe, so its layers are not known. To start a training from it:',
    commandText(['train', '--model', 'LAYERS', '--init', file]),
  ];
}

function tensorLines({ tensors }: SafetensorsFile): string[] {
  const rows = [...tensors].map(([name, { dtype, shape }]) => [
    oneLine(name),
    dtype,
    `(${shape.join(', ')})`,
  ]);
  const width = Math.max(6, ...rows.map(([name]) => name.length));
  const total = [...tensors.values()].reduce((sum, { values }) => sum + values.length, 0);
  return [
    `${'tensor'.padEnd(width)}  type  shape`,
    ...rows
      .slice(0, shownTensors)
      .map(([name, dtype, shape]) => `${name.padEnd(width)}  ${dtype.padEnd(4)}  ${shape}`),
    ...(rows.length > shownTensors
      ? [`and ${grouped(rows.length - shownTensors)} more (--json has all)`]
      : []),
    `${grouped(total)} values in ${grouped(rows.length)} tensors`,
  ];
}

function metadataLines({ metadata }: SafetensorsFile): string[] {
  return Object.entries(metadata).map(
    ([key, text]) => `${oneLine(key).padEnd(18)} ${quoted(text).slice(1, -1)}`,
  );
}

/** In the order of the fields' importance, the same for a recipe and for what it became. */
function recipeRows(recipe: Readonly<Record<string, unknown>>): [key: string, value: string][] {
  return recipeKeys.flatMap((key): [string, string][] => {
    const value = recipe[key];
    if (key === 'trainSamples') return [[key, value === null ? 'all' : String(value)]];
    return value === undefined || value === null ? [] : [[key, String(value)]];
  });
}

function isFilled(lines: readonly string[]): boolean {
  return lines.length > 0;
}

function camelCased([name, value]: Facts[number]): Facts[number] {
  return [name.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase()), value];
}
