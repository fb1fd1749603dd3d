/** `lockstep verify [recipe]`: trains it several ways and compares the digests. */
import { openDataset } from '../../shared/data/dataset.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import { quoted, usageError } from '../../shared/errors.ts';
import { runnableKernels } from '../../shared/kernels/load.ts';
import { epochShape } from '../../shared/recipe/recipe.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { digestOf } from '../recipes/digests.ts';
import { Program } from '../verify/program.ts';
import type { Subject } from '../verify/run-way.ts';
import { type Verdict, verify, type WayResult } from '../verify/verify.ts';
import { type Way, waysOf } from '../verify/ways.ts';
import type { FlagValues } from './flag-values.ts';
import { recipeFlags } from './flags.ts';
import { chooseRecipe } from './recipe-fields.ts';
import { Screen } from './screen.ts';
import { onSignals } from './signals.ts';

/** What `--quick` makes of any recipe: an epoch with a short last batch (of our recipes). */
export const quickFields = { trainSamples: 2000, epochs: 1 } as const;
/** Samples of all epochs that the exact kernels, the slowest, compute in seconds. */
const mostExactSamples = 5000;
const exitCodes = { same: 0, different: 3, failed: 1 } as const satisfies Record<Verdict['outcome'], number>;

/** Runs the command and returns its exit code. @throws LockstepError */
export async function verifyCommand(argument: string | undefined, flags: FlagValues): Promise<number> {
  const json = flags.isOn('json');
  const quiet = flags.isOn('quiet');
  const screen = new Screen(json ? process.stderr : process.stdout, quiet);
  const progress = new Screen(process.stderr, quiet);
  const against = readDigest(flags);
  const { subject, samples } = chooseSubject(argument, flags);
  const all = waysOf({ sets: runnableKernels(), isShort: samples <= mostExactSamples });
  const ways = chosenOf(all, flags);
  const program = new Program();
  const signals = onSignals(() => process.exit(signals.exitCode()));
  const cleanUp = () => {
    progress.status('');
    program.close();
  };
  process.once('exit', cleanUp);
  try {
    const nameWidth = Math.max(...ways.map(({ name }) => name.length));
    const verdict = await verify(ways, subject, (id) => against ?? digestOf(id), program, {
      begin: ({ name }) => progress.status(`training: ${name}`),
      end: (result) => {
        progress.status('');
        screen.line(resultLine(result, nameWidth, screen));
      },
    });
    screen.line();
    for (const line of verdictLines(verdict, against)) screen.line(line);
    if (json) process.stdout.write(`${JSON.stringify(jsonOf(verdict))}\n`);
    return exitCodes[verdict.outcome];
  } finally {
    process.off('exit', cleanUp);
    cleanUp();
    signals.release();
  }
}

/** The recipe as the runs are told, and how many samples it trains in all. @throws LockstepError (USAGE, DATA) */
function chooseSubject(
  argument: string | undefined,
  flags: FlagValues,
): { subject: Subject; samples: number } {
  const recipe = chooseRecipe(argument, flags);
  const draft = draftRecipe(recipe.fields, recipe.label);
  const { samples: total } = openDataset(draft.data, knownDatasets, recipe.label('data'));
  const quick = flags.isOn('quick')
    ? {
        trainSamples: Math.min(quickFields.trainSamples, draft.trainSamples ?? total.train),
        epochs: Math.min(quickFields.epochs, draft.epochs),
      }
    : { trainSamples: draft.trainSamples, epochs: draft.epochs };
  const { samples, steps } = epochShape({ ...draft, ...quick }, total.train);
  if (steps * quick.epochs === 0)
    throw usageError('verify: the recipe takes no step, so there is nothing to compare');
  const given = flags.argumentsOf(recipeFlags.filter(({ field = '' }) => !Object.hasOwn(quick, field)));
  return {
    subject: {
      args: [
        ...(argument === undefined ? [] : [argument]),
        ...given,
        ...['--epochs', String(quick.epochs)],
        ...(quick.trainSamples === null ? [] : ['--train-samples', String(quick.trainSamples)]),
      ],
      steps: steps * quick.epochs,
    },
    samples: samples * quick.epochs,
  };
}

/** The first way, with which the others are compared, and those that are asked for. @throws LockstepError (USAGE) */
function chosenOf(ways: readonly Way[], flags: FlagValues): Way[] {
  const only = flags.text('only');
  const titles = ways.map((way) => `${way.name} ${kernelsOf(way)}`);
  const chosen = ways.filter((_, i) => i === 0 || only === undefined || titles[i].includes(only));
  if (only === undefined || titles.some((title) => title.includes(only))) return chosen;
  throw usageError(
    `${flags.label('only')}: got ${quoted(only)}, expected a part of ${titles.map(quoted).join(', ')}`,
  );
}

function readDigest(flags: FlagValues): string | null {
  const digest = flags.text('against');
  if (digest === undefined) return null;
  if (/^[0-9a-f]{64}$/.test(digest)) return digest;
  throw usageError(
    `${flags.label('against')}: got ${quoted(digest)}, expected a weights digest, 64 hexadecimal digits`,
  );
}

function resultLine(
  { way, digests, failure, isSame, seconds }: WayResult,
  width: number,
  screen: Screen,
): string {
  const mark = digests === null ? 'FAILED' : isSame ? 'same' : 'DIFFERENT';
  const colour = isSame ? 'green' : 'red';
  const head = `${screen.style(colour, mark.padEnd(9))}  ${way.name.padEnd(width)}`;
  if (digests === null) return `${head}  ${failure}`;
  return `${head}  ${kernelsOf(way).padEnd(13)}  ${digests.weightsDigest.slice(0, 12)}  ${seconds.toFixed(1).padStart(6)} s`;
}

/** The kernels of a way, or that its workers have several. */
function kernelsOf({ kernels, workers }: Way): string {
  const sets = new Set(workers.length === 0 ? [kernels] : workers.map((worker) => worker.kernels));
  return sets.size === 1 ? [...sets][0] : 'mixed';
}

function verdictLines({ results, first, expected, outcome }: Verdict, against: string | null): string[] {
  if (first === null || expected === null) return ['no way could be gone, so nothing is proven'];
  const different = results.filter(({ digests, isSame }) => digests !== null && !isSame).length;
  const failed = results.filter(({ digests }) => digests === null).length;
  const known =
    against !== null
      ? 'the digest that was asked for'
      : digestOf(first.recipeId) !== null
        ? 'the published digest'
        : null;
  const lines = [`recipe id      ${first.recipeId}`, `expected       ${expected}`];
  const found = known === null ? 'what one thread computes (no digest of this recipe is published)' : known;
  if (outcome === 'same') return [...lines, `all ${results.length} ways give the same bits: ${found}`];
  return [
    ...lines,
    ...(different > 0 ? [`${different} of ${results.length} ways give OTHER BITS than ${found}`] : []),
    ...(failed > 0 ? [`${failed} of ${results.length} ways could not be gone`] : []),
  ];
}

function jsonOf({ results, first, expected, outcome }: Verdict) {
  return {
    outcome,
    recipeId: first?.recipeId ?? null,
    expected,
    published: first === null ? null : digestOf(first.recipeId),
    ways: results.map(({ way, kernels, digests, failure, isSame, seconds }) => ({
      name: way.name,
      kernels,
      weightsDigest: digests?.weightsDigest ?? null,
      stateDigest: digests?.stateDigest ?? null,
      isSame,
      failure,
      seconds,
    })),
  };
}
