/** `lockstep train`: the main job. */
import { availableParallelism } from 'node:os';
import { parseNumber } from '../../shared/calls.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { checkThreads } from '../../worker/team.ts';
import { trainFields } from '../index.ts';
import type { FlagValues } from './flag-values.ts';
import { recipeFlags } from './flags.ts';
import { Outputs } from './outputs.ts';
import { chooseRecipe, type RecipeChoice } from './recipe-fields.ts';
import { Screen, showError } from './screen.ts';
import { onSignals } from './signals.ts';
import { type NextSteps, TrainView } from './train-view.ts';

/** Runs the command and returns its exit code. @throws LockstepError */
export async function trainCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  flags.choice('transport', ['local']);
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const threads = readThreads(flags);
  const recipe = chooseRecipe(argument, flags);
  const view = new TrainView(screen);
  const outputs = new Outputs(flags, recipe.name, (error) => screen.aside(() => showError(error)));
  const signals = onSignals((name) => screen.line(`${name}: stopping after this step; again to end at once`));
  // The second signal, and nothing else, ends the program while the line at the bottom is there.
  const clear = () => view.stop();
  process.once('exit', clear);
  try {
    const { model, summary } = await trainFields(recipe.fields, {
      label: (key) => (key === 'threads' ? flags.label('threads') : recipe.label(key)),
      data: null,
      initial: recipe.initial,
      threads,
      kernels,
      workers: null,
      hooks: {
        onStart: (run, position) => {
          outputs.open(run.recipe);
          view.start(run, position, recipe.name);
        },
        onSteps: (reports) => outputs.steps(reports),
        onEpoch: (report) => {
          outputs.epoch(report);
          view.epoch(report);
        },
        signal: signals.signal,
      },
    });
    view.stop();
    outputs.save(model);
    outputs.close();
    view.finish(summary, outputs.models, nextSteps(argument, flags, recipe, outputs, threads));
    if (json) {
      const { models, folder } = outputs;
      process.stdout.write(`${JSON.stringify({ ...summary, model: models[0] ?? null, run: folder })}\n`);
    }
    return signals.exitCode() || (outputs.complete ? 0 : 1);
  } finally {
    view.stop();
    outputs.close();
    signals.release();
    process.off('exit', clear);
  }
}

function readThreads(flags: FlagValues): number {
  const text = flags.text('threads');
  if (text === undefined) return availableParallelism();
  return checkThreads(parseNumber(text), flags.label('threads'), text);
}

/** The same command line on another number of threads, and what to look at the model with. */
function nextSteps(
  argument: string | undefined,
  flags: FlagValues,
  { fields }: RecipeChoice,
  { folder, models }: Outputs,
  threads: number,
): NextSteps {
  const model = folder !== null && models.length > 0 ? folder : (models[0] ?? null);
  const { data = 'mnist' } = fields;
  return {
    look:
      model === null
        ? []
        : [
            ['evaluate', model, ...(data === 'mnist' ? [] : ['--data', String(data)])],
            ['inspect', model],
          ],
    again: [
      'train',
      ...(argument === undefined ? [] : [argument]),
      ...flags.argumentsOf(recipeFlags),
      ...['--threads', threads === 1 ? '2' : '1'],
    ],
  };
}
