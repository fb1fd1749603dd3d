/**
 * `train --transport websocket`: a launcher has started the same command line as several ranks. Rank 0 becomes the
 * coordinator, and computes, too; all others become its workers, and end with the run.
 */
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, hostname } from 'node:os';
import { chooseTransportSecurity } from '../../coordinator/transport-security.ts';
import { knownDatasets } from '../../shared/data/known-datasets.ts';
import { LockstepError, oneLine, reasonOf, usageError } from '../../shared/errors.ts';
import { canVouch, vouchingToken } from '../../shared/wire/vouching.ts';
import { findLaunch, isBatchScript, type Launch, launchLine } from '../launch.ts';
import { meetingPlace, type Place } from '../meeting-place.ts';
import { FlagValues } from './flag-values.ts';
import { variableOf, workerFlags } from './flags.ts';
import { Screen, showError } from './screen.ts';
import { threadsOfRank } from './threads.ts';
import { readToken } from './token.ts';

/** Trains here with these flags, and returns the exit code; it tells when workers can come in. */
type Train = (flags: FlagValues, onOpen?: () => void) => Promise<number>;

/** Flags of `train` that are those of a worker, too. */
const sharedFlags = ['threads', 'kernels', 'token', 'insecure', 'quiet', 'data'];
/** How long a worker waits for rank 0 if nothing else is said: machines start, and images travel. */
const defaultWait = '10m';

/** Runs the command as the rank that this process is, and returns its exit code. @throws LockstepError */
export async function launchedCommand(flags: FlagValues, train: Train): Promise<number> {
  const launch = launchOf(process.env, flags.label('transport'));
  if (launch.rank > 0 && flags.isOn('dry-run')) return 0;
  if (launch.rank > 0) return work(launch, flags);
  const place = launch.size === 1 ? null : placeOf(launch, flags);
  const screen = new Screen(flags.isOn('json') ? process.stderr : process.stdout, flags.isOn('quiet'));
  screen.text(launchLine(launch));
  return place === null ? train(flags) : coordinate(launch, place, flags, train);
}

/** @throws LockstepError (USAGE) where no launcher is found */
function launchOf(environment: NodeJS.ProcessEnv, label: string): Launch {
  const launch = findLaunch(environment);
  if (launch !== null) return launch;
  const how = isBatchScript(environment)
    ? 'in a batch script of Slurm expected srun in front of the command'
    : 'expected to be started by mpirun, srun, torchrun or an indexed Job of Kubernetes; ' +
      'without one, use lockstep coordinator and lockstep worker';
  throw usageError(`${label}: found no launcher in the environment, ${how}`);
}

/** Where the ranks meet, how, and what all of them know. */
type MeetingPlace = Place & { readonly token: string; readonly isSecure: boolean };

/** @throws LockstepError (USAGE) */
function placeOf(launch: Launch, flags: FlagValues): MeetingPlace {
  const token = readToken(flags);
  if (token === null) {
    throw usageError(
      '--transport websocket: got no token, expected the same one for all ranks: where the launcher is started, ' +
        'export LOCKSTEP_TOKEN=$(openssl rand -hex 16); with mpirun of Open MPI on several machines also -x LOCKSTEP_TOKEN',
    );
  }
  const place = meetingPlace(launch, flags.text('listen') ?? null, flags.label('listen'));
  const { kind } = chooseTransportSecurity({
    host: place.listen.host,
    onLoopback: true,
    insecure: flags.isOn('insecure'),
    cert: flags.text('cert') ?? null,
    key: flags.text('key') ?? null,
  });
  // A certificate from files may be trusted by the system.
  if (kind === 'own' && !canVouch(token) && !process.env[variableOf('fingerprint')]) {
    throw usageError(
      `${flags.label('token')}: got one that could be guessed, expected ${vouchingToken}, by which ranks know rank 0: ` +
        'where the launcher is started, export LOCKSTEP_TOKEN=$(openssl rand -hex 16); ' +
        'or pass --insecure, and the token and all else travel in the open',
    );
  }
  return { ...place, token, isSecure: kind !== 'plain' };
}

/** What is the same for all ranks where nothing else is said. */
function threadsByDefault({ localSize }: Launch): string {
  return String(threadsOfRank(availableParallelism(), cpus().length, localSize));
}

async function coordinate(
  launch: Launch,
  { listen, listenText, hostName, token }: MeetingPlace,
  flags: FlagValues,
  train: Train,
): Promise<number> {
  const own = flags.withDefaults({
    listen: listenText,
    workers: String(launch.size - 1),
    threads: threadsByDefault(launch),
    ...(hostName !== null && { 'host-name': hostName }),
  });
  let hasOpened = false;
  const farewell = async (end: { reason: string; failed: boolean }): Promise<void> => {
    if (hasOpened || flags.isOn('dry-run')) return;
    const [{ sayFarewell }, { readSecurity }, { readHostNames }] = await Promise.all([
      import('../farewell.ts'),
      import('./security.ts'),
      import('./host-names.ts'),
    ]);
    const names = readHostNames(own);
    const { tls } = await readSecurity(own, listen, names);
    await sayFarewell({ listen, names, tls, token }, launch.size - 1, end);
  };
  try {
    const code = await train(own, () => {
      hasOpened = true;
    });
    // Who was interrupted was so with all others.
    if (code === 0) {
      // It is done, whether or not the others can be told.
      await farewell({ reason: 'the run is done', failed: false }).catch((error: unknown) => {
        console.error(`note: the other ranks were not told that the run is done: ${reasonOf(error)}`);
      });
    }
    return code;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    showError(error);
    await farewell({ reason: `the run failed: ${reasonOf(error)}`, failed: true }).catch(() => {}); // what is wrong was said
    return error.exitCode;
  }
}

async function work(launch: Launch, flags: FlagValues): Promise<number> {
  const { rank } = launch;
  try {
    const place = placeOf(launch, flags);
    const [{ readPlan, workByPlan }, { RankView }] = await Promise.all([
      import('./worker.ts'),
      import('./rank-view.ts'),
    ]);
    const own = workerValues(flags, process.env).withDefaults({
      threads: threadsByDefault(launch),
      name: oneLine(`rank ${rank} on ${hostname()}`).slice(0, 64),
      wait: defaultWait,
    });
    const plan = readPlan(`${place.isSecure ? 'wss' : 'ws'}://${place.address}`, own);
    const view = new RankView(rank, flags.isOn('quiet'));
    const { code } = await workByPlan(plan, view, null, () => {}); // what signals mean rank 0 says for all
    return code;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    throw new LockstepError(error.code, `rank ${rank}: ${error.message}`, { cause: error });
  }
}

/** A worker's flags: those that `train` shares with it, and what of its own stands in the environment. */
function workerValues(flags: FlagValues, environment: NodeJS.ProcessEnv): FlagValues {
  const isGiven = (name: string): boolean => {
    const value = flags.text(name);
    // Without threads rank 0 only coordinates; a worker has some.
    if (name === 'threads') return value !== undefined && Number(value) !== 0;
    // A copy that is not on this machine is no mistake: the data comes from rank 0 then.
    if (name === 'data') return value !== undefined && (isKnownDataset(value) || existsSync(value));
    return value !== undefined;
  };
  const values = Object.fromEntries(sharedFlags.filter(isGiven).map((name) => [name, flags.text(name)]));
  // The same in the environment has been read; and what is written is rank 0's to write.
  const read = [...sharedFlags, 'json', 'trace'].map(variableOf);
  const rest = Object.fromEntries(Object.entries(environment).filter(([name]) => !read.includes(name)));
  return new FlagValues(workerFlags, values, rest);
}

function isKnownDataset(data: string): boolean {
  return knownDatasets.some(({ name }) => name === data);
}
