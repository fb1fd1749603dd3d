/** Folders of runs as `train` leaves them, with a fault put in if it is wanted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChainFile } from '../../coordinator/chain-file.ts';
import { encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { Checkpoints } from '../../coordinator/checkpoints.ts';
import { RunLog } from '../../coordinator/log.ts';
import type { Run } from '../../coordinator/prepare.ts';
import type { Team as CoordinatedTeam } from '../../coordinator/team.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { canonicalJson } from '../../shared/recipe/recipe.ts';
import type { RecipeFields } from '../../shared/recipe/resolve.ts';
import type { Replica } from '../../shared/reduction/span.ts';
import type { Team } from '../../worker/team.ts';
import { type Trained, type TrainOptions, train } from './train.ts';

/** Flips one bit of the current replica, between two steps. */
export interface Flip {
  /** Steps done before it. */
  readonly after: number;
  readonly part: keyof Replica;
  /** Index in the flat vector. */
  readonly float: number;
  readonly bit: number;
}

export interface FolderOptions extends Pick<TrainOptions, 'source' | 'threads' | 'kernels'> {
  /** The steps whose states are kept, in the order of training. */
  readonly keep?: (step: number) => boolean;
  readonly flip?: Flip;
  /** The run is interrupted after so many steps. */
  readonly stopAfter?: number;
}

const unexpected = (error: LockstepError) => {
  throw error;
};

/** Trains and writes the folder. */
export async function trainInto(
  folder: string,
  fields: RecipeFields,
  { keep = () => false, flip, stopAfter, ...options }: FolderOptions,
): Promise<Trained> {
  mkdirSync(folder, { recursive: true });
  const checkpoints = await Checkpoints.open(join(folder, 'checkpoints'), {
    keep: 1_000_000,
    alarm: unexpected,
  });
  let chain: ChainFile | null = null;
  let log: RunLog | null = null;
  let run: Run | null = null;
  let team: Team | null = null;
  const trained = await train(fields, {
    ...options,
    wrapTeam: (one): CoordinatedTeam => {
      team = one;
      return one;
    },
    keeping: {
      every: { kind: 'steps', steps: 1 },
      keep: (state) => {
        const step = team?.committed ?? 0;
        if (run === null || !keep(step)) return;
        const parts = encodeCheckpoint(run.architecture, run.recipe, state);
        checkpoints.save(parts, { step, epoch: state.epoch });
      },
    },
    hooks: {
      onStart: (started) => {
        run = started;
        writeFileSync(join(folder, 'recipe.json'), canonicalJson(started.recipe));
        chain = new ChainFile(join(folder, 'chain'), started, unexpected);
        log = new RunLog(join(folder, 'log.jsonl'), unexpected);
      },
      onSteps: (reports) => {
        log?.steps(reports);
        chain?.steps(reports);
      },
      onStep: async ({ step }) => {
        // A store that is busy passes over what comes meanwhile.
        await checkpoints.close();
        if (run !== null && step === flip?.after) flipBit(run, flip);
        return step !== stopAfter;
      },
      onEpoch: (report) => log?.epoch(report),
    },
  });
  await checkpoints.close();
  for (const file of [chain, log] as (ChainFile | RunLog | null)[]) file?.close();
  return trained;
}

function flipBit({ memory, plan }: Run, { after, part, float, bit }: Flip): void {
  const words = new Uint32Array(memory.buffer);
  words[plan.replicas[after % 2][part] / 4 + float] ^= 1 << bit;
}
