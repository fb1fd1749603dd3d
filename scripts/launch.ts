/**
 * Who this process is among those that a launcher started, read from the environment that it leaves.
 *
 * Launchers are started by launchers, and what the outer one left is still there; so the rule that is nearest to the
 * process comes first:
 *
 * 1. Open MPI's mpirun: nothing else sets OMPI_COMM_WORLD_…; in a batch script, beside the script's own SLURM_PROCID=0.
 * 2. PMI: MPICH's mpiexec and its relatives. What `srun --mpi=pmi2` sets says the same as its step, and is left to rule 4,
 *    which knows the hosts, too.
 * 3. torchrun: started once on each host by srun or in a pod, it has ranks of its own below theirs.
 * 4. Slurm: a step of srun. A batch script by itself is none, though it finds SLURM_PROCID=0 and SLURM_NTASKS: it runs
 *    once, whatever the job may start later.
 * 5. Kubernetes: a pod of an indexed Job, alone or in a JobSet.
 *
 * MASTER_ADDR and MASTER_PORT are nobody's alone: where they are set they name the address, whatever gave the rank.
 */
import { quoted, usageError } from '../shared/errors.ts';
import { parseHost } from '../shared/wire/address.ts';
import { firstHost, tasksOfHost } from './slurm-hosts.ts';

export type Launcher = 'Open MPI' | 'MPICH' | 'Slurm' | 'torchrun' | 'Kubernetes';

export interface Launch {
  readonly launcher: Launcher;
  /** The variables that gave rank and size, as they are printed: `OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE`. */
  readonly rule: string;
  readonly rank: number;
  readonly size: number;
  /** Rank among those of this machine, and how many they are; null where the launcher does not say. */
  readonly localRank: number | null;
  readonly localSize: number | null;
  /** Where rank 0 can be reached; null where neither MASTER_ADDR nor the launcher says. */
  readonly address: LaunchAddress | null;
}

export interface LaunchAddress {
  readonly host: string;
  readonly port: number | null;
  /** Whether MASTER_ADDR says so; otherwise it follows from what the launcher says of its job. */
  readonly isGiven: boolean;
}

/** Variables of the environment; an empty one counts as not set. */
type Environment = Readonly<Record<string, string | undefined>>;

/** What one rule finds; the address is what the launcher says of it by itself. */
type Found = Omit<Launch, 'rule' | 'address'> & {
  readonly variables: readonly [string, string];
  readonly host?: string;
  readonly port?: number;
};

/** Of a Slurm job that nobody gave a port: 20,000 and up, below those that systems give away (from 32,768 on). */
const firstJobPort = 20_000;
const jobPorts = 10_000;
/** From one step of a job to the next, which may run beside it; jobs that do have numbers close to one another. */
const stepPorts = 1000;
const mostRanks = 2 ** 20;

/**
 * Finds out which launcher started this process, and as whom; null where none did.
 * @throws LockstepError (USAGE) naming a variable that is missing beside another or makes no sense
 */
export function findLaunch(environment: Environment): Launch | null {
  for (const rule of [openMpi, pmi, torchrun, slurm, kubernetes]) {
    const found = rule(environment);
    if (found === null) continue;
    const { variables, host, port, ...launch } = found;
    return { ...launch, rule: variables.join(', '), address: addressOf(environment, found) };
  }
  // A size by itself is somebody's who wanted to start ranks, and forgot to number them.
  if (textOf(environment, 'WORLD_SIZE') !== undefined) throw missing('RANK', 'WORLD_SIZE');
  return null;
}

/** `rank 2 of 4, found by Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)`. */
export function launchLine({ rank, size, launcher, rule }: Launch): string {
  return `rank ${rank} of ${size}, found by ${launcher} (${rule})`;
}

/** Whether this process stands in a batch script of Slurm, which starts ranks but is none. */
export function isBatchScript(environment: Environment): boolean {
  return (
    textOf(environment, 'SLURM_JOB_ID') !== undefined &&
    textOf(environment, 'SLURM_STEP_NUM_TASKS') === undefined
  );
}

function openMpi(environment: Environment): Found | null {
  const ranks = pairOf(environment, 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE');
  if (ranks === null) return null;
  const local = localOf(environment, 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_LOCAL_SIZE', ranks.size);
  return { launcher: 'Open MPI', ...ranks, ...local, ...placeOfJob(environment, 'SLURM_JOB_NODELIST') };
}

function pmi(environment: Environment): Found | null {
  const ranks = pairOf(environment, 'PMI_RANK', 'PMI_SIZE');
  if (ranks === null) return null;
  const isStep =
    textOf(environment, 'SLURM_PROCID') === String(ranks.rank) &&
    textOf(environment, 'SLURM_STEP_NUM_TASKS') === String(ranks.size);
  if (isStep) return null;
  const local = localOf(environment, 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS', ranks.size);
  return { launcher: 'MPICH', ...ranks, ...local, ...placeOfJob(environment, 'SLURM_JOB_NODELIST') };
}

function torchrun(environment: Environment): Found | null {
  // WORLD_SIZE without RANK stands beside a Job's index, too.
  if (textOf(environment, 'RANK') === undefined) return null;
  const ranks = pairOf(environment, 'RANK', 'WORLD_SIZE');
  if (ranks === null) return null;
  return {
    launcher: 'torchrun',
    ...ranks,
    ...localOf(environment, 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', ranks.size),
  };
}

function slurm(environment: Environment): Found | null {
  if (textOf(environment, 'SLURM_STEP_NUM_TASKS') === undefined) return null;
  const ranks = pairOf(environment, 'SLURM_PROCID', 'SLURM_STEP_NUM_TASKS');
  if (ranks === null) return null;
  const tasks = textOf(environment, 'SLURM_STEP_TASKS_PER_NODE') ?? '';
  const tasksHere = tasksOfHost(tasks, numberOf(environment, 'SLURM_NODEID', 0, mostRanks) ?? 0);
  const localSize = tasksHere === null || tasksHere > ranks.size ? null : tasksHere;
  return {
    launcher: 'Slurm',
    ...ranks,
    localRank: numberOf(environment, 'SLURM_LOCALID', 0, (localSize ?? ranks.size) - 1),
    localSize,
    ...placeOfJob(
      environment,
      'SLURM_STEP_NODELIST',
      numberOf(environment, 'SLURM_STEP_ID', 0, 2 ** 32) ?? 0,
    ),
  };
}

/**
 * The first host of a job of Slurm's, where rank 0 is unless ranks were told to go elsewhere, and a port for it.
 * @param step of srun; what mpirun starts is none, though on other hosts it may find that of mpirun's own helpers
 */
function placeOfJob(environment: Environment, hostsName: string, step = 0): Pick<Found, 'host' | 'port'> {
  const hosts = textOf(environment, hostsName) ?? textOf(environment, 'SLURM_JOB_NODELIST');
  const job = numberOf(environment, 'SLURM_JOB_ID', 0, Number.MAX_SAFE_INTEGER);
  const host = hosts === undefined ? null : parseHost(firstHost(hosts));
  return host === null || job === null
    ? {}
    : { host, port: firstJobPort + ((job + step * stepPorts) % jobPorts) };
}

/**
 * Kubernetes says which pod of a Job this is, and no more. How many there are, and where the first is, a manifest has to
 * say; JobSet sets no variables either, but its names, handed on by the manifest as JOBSET_NAME and REPLICATED_JOB_NAME,
 * make the name of the first pod.
 */
function kubernetes(environment: Environment): Found | null {
  if (textOf(environment, 'JOB_COMPLETION_INDEX') === undefined) return null;
  // A replicated job of several Jobs counts its pods from 0 in each of them.
  const job = textOf(environment, 'JOB_INDEX');
  if (job !== undefined && job !== '0') {
    throw usageError(
      `JOB_INDEX: got ${quoted(job)} beside JOB_COMPLETION_INDEX, expected all ranks to be pods of one Job; ` +
        'use completions in the place of replicas, or set RANK and WORLD_SIZE',
    );
  }
  const ranks = pairOf(environment, 'JOB_COMPLETION_INDEX', 'WORLD_SIZE', "as the Job's completions");
  if (ranks === null) return null;
  const jobSet = textOf(environment, 'JOBSET_NAME');
  const replicatedJob = textOf(environment, 'REPLICATED_JOB_NAME');
  const isNamed = jobSet !== undefined && replicatedJob !== undefined;
  return {
    launcher: 'Kubernetes',
    ...ranks,
    localRank: null,
    localSize: null,
    ...(isNamed && { host: `${jobSet}-${replicatedJob}-0-0.${jobSet}` }),
  };
}

/** @throws LockstepError (USAGE) */
function addressOf(environment: Environment, { size, localSize, ...found }: Found): Launch['address'] {
  const text = textOf(environment, 'MASTER_ADDR');
  const master = text === undefined ? null : parseHost(text);
  if (text !== undefined && master === null) {
    throw usageError(
      `MASTER_ADDR: got ${quoted(text)}, expected a name or an address without a port, where rank 0 can be reached`,
    );
  }
  const host = master ?? (localSize === size ? '127.0.0.1' : found.host);
  const masterPort = numberOf(environment, 'MASTER_PORT', 1, 65_535);
  // torchrun says so where it listens there itself.
  const isTaken = textOf(environment, 'TORCHELASTIC_USE_AGENT_STORE') === 'True';
  const port = masterPort !== null && isTaken ? (masterPort % 65_535) + 1 : masterPort;
  return host === undefined ? null : { host, port: port ?? found.port ?? null, isGiven: master !== null };
}

/**
 * Rank and size; null where neither is set.
 * @param as what the size is, where the launcher does not set it
 * @throws LockstepError (USAGE) where one is missing, or they do not fit together
 */
function pairOf(
  environment: Environment,
  rankName: string,
  sizeName: string,
  as = '',
): Pick<Found, 'rank' | 'size' | 'variables'> | null {
  const names = [rankName, sizeName] as const;
  const [isRank, isSize] = names.map((name) => textOf(environment, name) !== undefined);
  if (!isRank && !isSize) return null;
  if (!isRank) throw missing(rankName, sizeName);
  if (!isSize) throw missing(sizeName, rankName, as);
  const size = numberOf(environment, sizeName, 1, mostRanks) ?? 1;
  const rank = numberOf(environment, rankName, 0, size - 1, `, as ${sizeName} is ${size}`) ?? 0;
  return { rank, size, variables: names };
}

/** Rank and size on this machine, as far as they are said. @throws LockstepError (USAGE) */
function localOf(
  environment: Environment,
  rankName: string,
  sizeName: string,
  size: number,
): Pick<Found, 'localRank' | 'localSize'> {
  const localSize = numberOf(environment, sizeName, 1, size, `, as there are ${size} ranks`);
  const localRank = numberOf(environment, rankName, 0, (localSize ?? size) - 1);
  return { localRank, localSize };
}

/** @throws LockstepError (USAGE) */
function numberOf(
  environment: Environment,
  name: string,
  min: number,
  max: number,
  reason = '',
): number | null {
  const text = textOf(environment, name);
  if (text === undefined) return null;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  const range = min === max ? `${min}` : `an integer from ${min} to ${max}`;
  throw usageError(`${name}: got ${quoted(text)}, expected ${range}${reason}`);
}

function missing(name: string, other: string, as = ''): Error {
  const what = as === '' ? 'as the launcher sets both' : as;
  return usageError(
    `${name}: got nothing beside ${other}, expected it, too, ${what}; set it, or unset ${other}`,
  );
}

function textOf(environment: Environment, name: string): string | undefined {
  return environment[name] || undefined;
}
