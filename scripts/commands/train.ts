/** `lockstep train`, the main job, and `lockstep coordinator`: the same with workers from elsewhere. */
import { availableParallelism } from 'node:os';
import { parseNumber } from '../../shared/calls.ts';
import { LockstepError } from '../../shared/errors.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { checkThreads } from '../../worker/team.ts';
import { trainFields } from '../index.ts';
import type { Invitation } from '../invitation.ts';
import type { FlagValues } from './flag-values.ts';
import { recipeFlags } from './flags.ts';
import { FleetView } from './fleet-view.ts';
import { type Listening, readListening } from './listening.ts';
import { Outputs } from './outputs.ts';
import { chooseRecipe, type RecipeChoice } from './recipe-fields.ts';
import { Screen, showError } from './screen.ts';
import { onSignals } from './signals.ts';
import { type NextSteps, TrainView } from './train-view.ts';

type CommandName = 'train' | 'coordinator';

/** Runs `train` and returns its exit code. @throws LockstepError */
export function trainCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  return run('train', argument, flags);
}

/** Runs `coordinator` and returns its exit code. @throws LockstepError */
export function coordinatorCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  return run('coordinator', argument, flags);
}

async function run(command: CommandName, argument: string | undefined, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  flags.choice('transport', ['local']);
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const defaultThreads = command === 'train' ? availableParallelism() : 0;
  const recipe = chooseRecipe(argument, flags);
  const listening = await readListening(flags, command, defaultThreads);
  const threads = listening?.threads ?? readThreads(flags, defaultThreads);
  const view = new TrainView(screen);
  const outputs = new Outputs(flags, recipe.name, (error) => screen.aside(() => showError(error)));
  const fleet =
    listening === null ? null : showFleet(listening, new FleetView(screen, view, listening), outputs);
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
      workers: fleet?.settings ?? null,
      hooks: {
        onStart: (run, position) => {
          outputs.open(run);
          view.start(run, position, recipe.name, threads);
          fleet?.invite();
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
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'INTERRUPTED') throw error;
    view.stop();
    screen.aside(() => showError(error));
    return signals.exitCode();
  } finally {
    view.stop();
    outputs.close();
    signals.release();
    process.off('exit', clear);
  }
}

/** Whatever happens to workers is shown, and logged. */
function showFleet(listening: Listening, view: FleetView, outputs: Outputs) {
  let invitation: Invitation | null = null;
  return {
    settings: {
      ...listening,
      onOpen: (open: Invitation) => {
        invitation = open;
      },
      onEvent: (event: Parameters<FleetView['event']>[0]) => {
        const { kind, ...facts } = event;
        outputs.event(kind, facts);
        view.event(event);
      },
      log: (line: string) => {
        outputs.event('refused', { reason: line });
        view.refused(line);
      },
    },
    invite: () => {
      if (invitation !== null) view.invite(invitation);
    },
  };
}

function readThreads(flags: FlagValues, otherwise: number): number {
  const text = flags.text('threads');
  if (text === undefined) return otherwise;
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
      ...['--threads', threads === 1 && !flags.has('listen') ? '2' : '1'],
    ],
  };
}
