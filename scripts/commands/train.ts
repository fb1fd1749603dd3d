/** `lockstep train`, the main job, and `lockstep coordinator`: the same with workers from elsewhere. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { EndModel } from '../../coordinator/dashboard/feed.ts';
import { LockstepError, oneLine, reasonOf, usageError } from '../../shared/errors.ts';
import { kernelChoices } from '../../shared/kernels/load.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import type { OpenDashboard } from '../dashboard.ts';
import type { Invitation } from '../invitation.ts';
import { findLaunch } from '../launch.ts';
import { digestOf } from '../recipes/digests.ts';
import type { ResumedRun } from '../resumed-run.ts';
import { runFiles } from '../run-keeper.ts';
import type { RunOutputs } from '../run-outputs.ts';
import type { Summary } from '../summary.ts';
import { checkSame, finishedResult, trainFields } from '../training.ts';
import type { FlagValues } from './flag-values.ts';
import { coordinatorRunFlags, recipeFlags, runFlags } from './flags.ts';
import { FleetView } from './fleet-view.ts';
import { type Listening, readListening } from './listening.ts';
import type { Lead } from './mpi.ts';
import { listenFlags } from './network-flags.ts';
import { planOutputs } from './outputs.ts';
import { chooseRecipe, type RecipeChoice } from './recipe-fields.ts';
import { goOnCommand, keptToken, refusedLines, resumedRun, resumeLines } from './resume.ts';
import { Screen, showError, showNote } from './screen.ts';
import { onSignals } from './signals.ts';
import type { NextSteps } from './summary-view.ts';
import { readThreads } from './threads.ts';
import { TrainView } from './train-view.ts';
import { linkOf, readWatching, type Watching } from './watching.ts';

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
  const transport = flags.choice(
    'transport',
    command === 'train' ? ['local', 'mpi', 'websocket'] : ['local'],
  );
  if (transport === 'mpi') {
    if (flags.isOn('dry-run')) return firstAlone(() => runHere(command, argument, flags));
    const { mpiCommand } = await import('./mpi.ts');
    return mpiCommand(argument, flags, (resumed, mpi) =>
      trainOrShow(command, argument, flags, resumed, { mpi }),
    );
  }
  if (transport === 'websocket') {
    const { launchedCommand } = await import('./launched.ts');
    return launchedCommand(flags, (own, onOpen) => runHere(command, argument, own, onOpen));
  }
  return runHere(command, argument, flags);
}

/** What a single rank can do, one does. */
function firstAlone(action: () => Promise<number>): Promise<number> {
  return (findLaunch(process.env)?.rank ?? 0) === 0 ? action() : Promise.resolve(0);
}

/** @param onOpen told once workers can come in */
async function runHere(
  command: CommandName,
  argument: string | undefined,
  flags: FlagValues,
  onOpen = () => {},
): Promise<number> {
  if (flags.isOn('dry-run')) return (await import('./dry-run.ts')).dryRunCommand(command, argument, flags);
  const resumed = await resumedRun(flags);
  try {
    return await trainOrShow(command, argument, flags, resumed, { onOpen });
  } finally {
    resumed?.lock?.release();
  }
}

/** What a run has beside its flags. */
interface Beside {
  /** The job that this process is the first rank of. */
  readonly mpi?: Lead | null;
  /** Told once workers can come in. */
  readonly onOpen?: () => void;
}

async function trainOrShow(
  command: CommandName,
  argument: string | undefined,
  flags: FlagValues,
  resumed: ResumedRun | null,
  { mpi = null, onOpen = () => {} }: Beside = {},
): Promise<number> {
  const screen = new Screen(flags.isOn('json') ? process.stderr : process.stdout, flags.isOn('quiet'));
  const kernels = flags.choice('kernels', kernelChoices) ?? 'auto';
  const defaultThreads = mpi?.threads ?? (command === 'train' ? availableParallelism() : 0);
  // With --auto-resume the command line says the whole recipe, whether the run begins or goes on.
  const recipe = chooseRecipe(argument, flags, flags.isOn('auto-resume') ? null : resumed);
  const known = resumed === null ? null : keptToken(resumed);
  const listening = await readListening(flags, command, defaultThreads, known);
  const threads = listening?.threads ?? readThreads(flags, defaultThreads);
  const watching = await readWatching(flags, command, listening, known);
  const view = new TrainView(screen);
  const outputs = planOutputs(flags, recipe.name, resumed, (error) => screen.aside(() => showError(error)));
  const page: Page = { watching, open: null };
  const fleet =
    listening === null
      ? null
      : showFleet(
          withToken(listening, watching),
          new FleetView(screen, view, listening),
          outputs,
          page,
          onOpen,
        );
  const launcher = mpi === null ? '' : mpi.launcher;
  const next = () =>
    nextSteps(
      { command, argument, flags, recipe, outputs, resumed, threads, launcher },
      fleet?.port() ?? null,
    );
  for (const line of mpi?.lines(threads) ?? []) screen.text(line);
  const json = flags.isOn('json');
  const shown = { view, outputs, next, json, refused: resumed?.refused ?? [] };
  if (resumed !== null) screen.aside(() => refusedLines(resumed).forEach(showNote));
  if (resumed !== null && resumed.state !== null && resumed.lock === null) {
    checkSame(draftRecipe(recipe.fields, recipe.label), resumed.recipe, recipe.label);
    for (const line of resumeLines(resumed, 0)) screen.line(line);
    const { model, summary } = finishedResult(resumed.recipe, resumed.state, { threads, kernels });
    outputs.saveAgain(model);
    return show(summary, shown, 0);
  }
  if (recipe.fields.data === 'memory') {
    throw usageError(
      `${flags.label('data')}: the run was trained on data in memory, expected files with the same data: --data DIR`,
    );
  }
  const signals = onSignals((name) => screen.line(`${name}: stopping after this step; again to end at once`));
  // The second signal, and nothing else, ends the program while the line at the bottom is there.
  const clear = () => view.stop();
  process.once('exit', clear);
  try {
    // Before anything is made: a port that cannot be had ends it here.
    if (watching !== null) {
      const { openDashboard } = await import('../dashboard.ts');
      page.open = await openDashboard(watching);
    }
    view.prepare(`reading the data of ${oneLine(String(recipe.fields.data ?? 'mnist'))}`);
    const { summary } = await trainFields(recipe.fields, {
      label: (key) => (key === 'threads' ? flags.label('threads') : recipe.label(key)),
      data: null,
      initial: recipe.initial,
      threads,
      kernels,
      workers: fleet?.settings ?? null,
      mpi: mpi?.job ?? null,
      resumed,
      outputs,
      command: commandWords(command, argument, flags),
      recipeName: recipe.name,
      hooks: {
        onStart: (run, live) => {
          const lines = resumed === null ? [] : resumeLines(resumed, run.committed);
          for (const line of mpi?.startLines() ?? []) screen.text(line);
          const log = resumed === null ? null : join(resumed.folder, runFiles.log);
          const shown = page.open?.start(run, live, recipe.name, log);
          view.start(run, live, recipe.name, threads, lines);
          showPage(page, screen, fleet === null ? outputs : null);
          fleet?.invite();
          return shown;
        },
        onSteps: (reports) => {
          page.open?.hooks.onSteps(reports);
          view.steps(reports);
        },
        onEvaluation: (evaluation, steps) => {
          page.open?.hooks.onEvaluation(evaluation, steps);
          view.evaluation(evaluation, steps);
        },
        onEpoch: (report) => {
          page.open?.hooks.onEpoch(report);
          view.epoch(report);
        },
        signal: signals.signal,
      },
    });
    const isStopped = summary.stoppedBy === 'signal' || summary.stoppedBy === 'callback';
    page.open?.end(
      isStopped ? 'stopped' : 'finished',
      isStopped ? `stopped after step ${summary.steps}` : 'the run is done',
      endModel(summary, isStopped),
    );
    view.stop();
    return show(summary, shown, signals.exitCode());
  } catch (error) {
    const isStopped = error instanceof LockstepError && error.code === 'INTERRUPTED';
    page.open?.end(isStopped ? 'stopped' : 'failed', reasonOf(error));
    view.stop();
    if (!(error instanceof LockstepError)) throw error;
    if (['INTERRUPTED', 'MPI', 'WORKERS', 'TEAM'].includes(error.code)) view.goOn(next());
    if (error.code !== 'INTERRUPTED') throw error;
    screen.aside(() => showError(error));
    return signals.exitCode();
  } finally {
    view.stop();
    await page.open?.close();
    signals.release();
    process.off('exit', clear);
  }
}

/** The page that shows the run, where there is one. */
interface Page {
  readonly watching: Watching | null;
  open: OpenDashboard | null;
}

/** The model at the end; one of a run that was stopped is none that could be published. */
function endModel({ recipeId, weightsDigest }: Summary, isStopped: boolean): EndModel {
  const published = isStopped ? null : digestOf(recipeId);
  return { weightsDigest, isPublished: published === null ? null : published === weightsDigest };
}

/** Says where the page is. @param outputs that keep its token, where no workers have the same */
function showPage({ watching, open }: Page, screen: Screen, outputs: RunOutputs | null): void {
  if (watching === null || open === null) return;
  const { tls, token, isTokenNew, stateFolder, isInTheOpen } = watching;
  if (token !== null && isTokenNew) outputs?.keepToken(token);
  screen.line(`Dashboard: ${linkOf(watching, open.port)}`);
  if (stateFolder !== null) screen.text(`Its certificate is this coordinator's own: ${tls?.fingerprint}`);
  if (isInTheOpen) screen.text('--insecure: the token in the link, and what it shows, travel in the open.');
  screen.line();
}

/** Workers and the page have the same token, also where one is made. */
function withToken(listening: Listening, watching: Watching | null): Listening {
  return { ...listening, keptToken: watching?.token ?? listening.keptToken ?? null };
}

interface Ended {
  readonly view: TrainView;
  readonly outputs: RunOutputs;
  readonly next: () => NextSteps;
  readonly json: boolean;
  readonly refused: ResumedRun['refused'];
}

/** Shows what came of a run, and returns the exit code. */
function show(summary: Summary, { view, outputs, next, json, refused }: Ended, code: number): number {
  const { models, folder, isComplete } = outputs;
  const steps = next();
  view.finish(summary, models, steps);
  const isStopped = summary.stoppedBy === 'signal' || summary.stoppedBy === 'callback';
  if (!isStopped && !isComplete && outputs.hasCheckpoint) view.goOn(steps);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ...summary, model: models[0] ?? null, run: folder, refused })}\n`,
    );
  }
  return code || (isComplete ? 0 : 1);
}

/** The command line without secrets, also what of it stood in the environment. */
function commandWords(command: CommandName, argument: string | undefined, flags: FlagValues): string[] {
  const own = command === 'train' ? runFlags : coordinatorRunFlags;
  const shown = [...recipeFlags, ...own, ...listenFlags].filter(({ name }) => name !== 'token');
  return ['lockstep', command, ...(argument === undefined ? [] : [argument]), ...flags.argumentsOf(shown)];
}

/** Whatever happens to workers is shown, and logged. */
function showFleet(
  listening: Listening,
  view: FleetView,
  outputs: RunOutputs,
  page: Page,
  onOpen: () => void,
) {
  let invitation: Invitation | null = null;
  return {
    settings: {
      ...listening,
      onOpen: (open: Invitation) => {
        invitation = open;
        onOpen();
      },
      onEvent: (event: Parameters<FleetView['event']>[0]) => {
        const { kind, ...facts } = event;
        outputs.event(kind, facts);
        page.open?.event(event);
        view.event(event);
      },
      log: (line: string) => {
        outputs.event('refused', { reason: line });
        view.refused(line);
      },
    },
    /** Once the run has its folder. */
    invite: () => {
      if (invitation === null) return;
      if (invitation.isTokenNew) outputs.keepToken(invitation.token);
      view.invite(invitation);
    },
    /** Where it listens, once it does. */
    port: () => (invitation === null ? null : new URL(invitation.url).port),
  };
}

interface Shown {
  readonly command: CommandName;
  readonly argument: string | undefined;
  readonly flags: FlagValues;
  readonly recipe: RecipeChoice;
  readonly outputs: RunOutputs;
  readonly resumed: ResumedRun | null;
  readonly threads: number;
  readonly launcher: string;
}

/** What to look at the model with, the same training on another number of threads, and how to go on. */
function nextSteps(
  { command, argument, flags, recipe, outputs, resumed, threads, launcher }: Shown,
  port: string | null,
): NextSteps {
  const { folder, models } = outputs;
  const isInFolder = folder !== null && models.includes(join(folder, runFiles.model));
  // Where something could not be written the newest checkpoint may be an older model.
  const standsForModel = isInFolder || (models.length === 0 && outputs.isComplete && outputs.hasCheckpoint);
  const model = standsForModel ? folder : (models[0] ?? null);
  const { data = 'mnist' } = recipe.fields;
  // Data that was in memory has to be put into files first.
  const place = data === 'mnist' ? [] : ['--data', data === 'memory' ? 'DIR' : String(data)];
  const same =
    resumed === null
      ? [...(argument === undefined ? [] : [argument]), ...flags.argumentsOf(recipeFlags)]
      : [join(resumed.folder, 'recipe.json'), ...place];
  return {
    look:
      model === null
        ? []
        : [
            ['evaluate', model, ...place],
            ['inspect', model],
          ],
    again: ['train', ...same, ...['--threads', threads === 1 && !flags.has('listen') ? '2' : '1']],
    goOn: folder === null ? null : goOnCommand(command, folder, flags, port),
    launcher,
  };
}
