/** `lockstep train`: the main job. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checkWritable, writeDurably } from '../../coordinator/durable-file.ts';
import { RunLog } from '../../coordinator/log.ts';
import type { Run } from '../../coordinator/prepare.ts';
import { defaultRunFolder, makeRunFolder } from '../../coordinator/run-folder.ts';
import { parseNumber } from '../../shared/calls.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { canonicalJson, recipeId } from '../../shared/recipe/recipe.ts';
import { checkThreads } from '../../worker/team.ts';
import { trainFields } from '../index.ts';
import type { FlagValues } from './flags.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { Screen } from './screen.ts';
import { onSignals } from './signals.ts';
import { TrainView } from './train-view.ts';

/** Runs the command and returns its exit code. @throws LockstepError */
export async function trainCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const screen = new Screen(json ? process.stderr : process.stdout, flags.isOn('quiet'));
  flags.choice('transport', ['local']);
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const threads = readThreads(flags);
  const recipe = chooseRecipe(argument, flags);
  const out = flags.text('out');
  if (out !== undefined) checkWritable(out);
  const view = new TrainView(screen);
  const outputs = new Outputs(flags, recipe.name);
  const signals = onSignals((name) => screen.line(`${name}: ends after this step; once more ends at once`));
  try {
    const { model, summary } = await trainFields(recipe.fields, {
      label: (key) => (key === 'threads' ? flags.label('threads') : recipe.label(key)),
      data: null,
      initial: recipe.initial,
      threads,
      kernels,
      hooks: {
        onStart: (run, position) => {
          outputs.open(run);
          view.start(run, position, recipe.name);
        },
        onSteps: (reports) => {
          for (const log of outputs.logs) log.steps(reports);
        },
        onEpoch: (report) => {
          for (const log of outputs.logs) log.epoch(report);
          view.epoch(report);
        },
        signal: signals.signal,
      },
    });
    view.stop();
    const written = outputs.models(out);
    for (const path of written) model.save(path);
    view.finish(summary, written[0] ?? null, recipe.name);
    if (json)
      process.stdout.write(
        `${JSON.stringify({ ...summary, model: written[0] ?? null, run: outputs.folder })}\n`,
      );
    return signals.exitCode();
  } finally {
    view.stop();
    outputs.close();
    signals.release();
  }
}

function readThreads(flags: FlagValues): number {
  const text = flags.text('threads');
  if (text === undefined) return availableParallelism();
  return checkThreads(parseNumber(text), flags.label('threads'), text);
}

/** Where a run's recipe, logs and model go. Nothing is made before the run is known to begin. */
class Outputs {
  readonly logs: RunLog[] = [];
  folder: string | null = null;
  readonly #flags: FlagValues;
  readonly #recipeName: string;

  constructor(flags: FlagValues, recipeName: string) {
    this.#flags = flags;
    this.#recipeName = recipeName;
  }

  open({ recipe }: Run): void {
    if (!this.#flags.isOn('no-run')) {
      const folder =
        this.#flags.text('run') ?? defaultRunFolder(this.#recipeName, recipeId(recipe), new Date());
      makeRunFolder(folder, this.#flags.label('run'));
      this.folder = folder;
      writeDurably(join(folder, 'recipe.json'), [
        `${JSON.stringify(JSON.parse(canonicalJson(recipe)), null, 2)}\n`,
      ]);
      this.logs.push(new RunLog(join(folder, 'log.jsonl')));
    }
    const log = this.#flags.text('log');
    if (log !== undefined) this.logs.push(new RunLog(log));
  }

  models(out: string | undefined): string[] {
    const paths = [
      ...(out === undefined ? [] : [out]),
      ...(this.folder === null ? [] : [join(this.folder, 'model.safetensors')]),
    ];
    return paths;
  }

  close(): void {
    for (const log of this.logs) log.close();
  }
}
