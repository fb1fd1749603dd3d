/** One rank of a test's job: started by mpirun with the job as its argument, it tells JSON lines. */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { MpiJob } from '../../scripts/mpi-job.ts';
import { LockstepError } from '../../shared/errors.ts';
import { instantiateKernels, loadKernels } from '../../shared/kernels/load.ts';
import { wasm } from '../../shared/kernels/webassembly.ts';
import { type Attendee, encodeAttendee } from '../../worker/mpi/attendee.ts';
import { attend, muster, type Own } from '../../worker/mpi/muster.ts';
import { openWorld, type World } from '../../worker/mpi/world.ts';
import { tryExchanges } from './mpi-exchanges.ts';

export type RankJob = { readonly file?: string } & (
  | { readonly kind: 'exchanges'; readonly count: number }
  /** Everybody gathers so many times, the rank `absent` only `until` then: it stays and does nothing. */
  | { readonly kind: 'gather'; readonly times: number; readonly absent?: number; readonly until?: number }
  /** The rank `absent` never calls MPI. */
  | { readonly kind: 'start'; readonly absent: number }
  | { readonly kind: 'silence'; readonly absent: number }
  | {
      readonly kind: 'muster';
      /** What is different on some ranks. */
      readonly others: Readonly<Record<number, Partial<Attendee>>>;
      /** A rank that brings something else. */
      readonly garbage?: number;
    }
  /** The rank `absent` never comes to the end. */
  | { readonly kind: 'end'; readonly absent: number }
  | { readonly kind: 'abort'; readonly exitCode: number }
);

export type RankEvent = { readonly rank: number } & (
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'open'; readonly library: string }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'gathered'; readonly count: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
);

/** For a rank that hangs on purpose: mpirun ends it, or the test. */
const longestMs = 100_000;
const deadlineMs = 20_000;
/** For what is not to come; and for the end of a job that has begun in as much time. */
const shortMs = 1_500;
const endMs = 3_000;

function launchOf(environment: NodeJS.ProcessEnv) {
  const { OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, PMI_RANK, PMI_SIZE } = environment;
  const isOpen = OMPI_COMM_WORLD_RANK !== undefined;
  const rule = isOpen ? 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE' : 'PMI_RANK, PMI_SIZE';
  return {
    rank: Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK),
    size: Number(OMPI_COMM_WORLD_SIZE ?? PMI_SIZE),
    rule,
  };
}

type Told = RankEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'rank'> : never) : never;

function tell(event: Told): void {
  process.stdout.write(`${JSON.stringify({ rank: launch.rank, ...event })}\n`);
}

/** Stays until it is ended from outside. */
function stay(): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error('nobody ended it')), longestMs));
}

async function gather(world: World, job: Extract<RankJob, { kind: 'gather' }>): Promise<void> {
  for (let count = 0; count < job.times; count++) {
    if (job.absent === world.rank && count === (job.until ?? 0)) await stay();
    const isLast = job.absent !== undefined && count === job.until;
    const bytes = new Uint8Array(world.rank * 1_000 * (count % 3) + count).fill(world.rank + count);
    const parts = await world.allGather(bytes, `gather ${count}`, isLast ? shortMs : deadlineMs);
    const fits = parts.every((part, rank) => {
      const length = rank * 1_000 * (count % 3) + count;
      return part.length === length && part.every((byte) => byte === ((rank + count) & 255));
    });
    if (!fits || parts.length !== world.size) throw new Error(`gather ${count} brought something else`);
    tell({ kind: 'gathered', count });
  }
}

async function meet(world: World, job: Extract<RankJob, { kind: 'muster' }>): Promise<unknown> {
  const own: Own = { threads: 1, kernels: 'exact', answer: null, recipe: null, same: {}, error: null };
  const record = { ...attend(own), ...job.others[world.rank] };
  if (job.garbage === world.rank) {
    await world.allGather(encodeAttendee(record).fill(7, 0, 8), 'the muster of all ranks', deadlineMs);
    return null;
  }
  const { attendees, refusal } = await muster(world, record, deadlineMs);
  return {
    pids: attendees.map(({ pid }) => pid),
    refusal: refusal?.message ?? null,
    code: refusal?.code ?? null,
  };
}

/** Ends as a rank does whose training is done. */
async function end(world: World, absent: number): Promise<void> {
  if (absent === world.rank) await stay();
  const job = new MpiJob(world, {
    file: null,
    launch: null,
    startMs: endMs,
    exchangeMs: endMs,
    windows: false,
  });
  try {
    await job.leave();
  } catch (error) {
    await job.fail(error, ({ message }) => tell({ kind: 'failed', code: 'MPI', message }));
  }
}

/** Reads behind the end of a memory of WebAssembly. V8 sees that by a signal; who takes it away ends the process here. */
function trap(): void {
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const kernels = instantiateKernels(loadKernels('exact'), memory);
  try {
    kernels.dense(2 ** 30, 64, 2 ** 29, 0, 2 ** 28, 64, 8, 16, 16);
  } catch (error) {
    if (error instanceof Error && error.name === 'RuntimeError') return;
    throw error;
  }
  throw new Error('nothing was trapped');
}

/** On a thread of its own, as a team does: it binds MPI for itself, and this one waits meanwhile. */
function exchangeOnThread(world: World, count: number): Promise<unknown> {
  const { file, rank, size } = world;
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { file, rank, size, count } });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

async function run(job: RankJob): Promise<void> {
  tell({ kind: 'started', pid: process.pid });
  if (job.kind === 'start' && job.absent === launch.rank) await stay();
  const openMs = job.kind === 'start' ? shortMs : job.kind === 'end' ? endMs : deadlineMs;
  const world = await openWorld({ file: job.file ?? null, deadlineMs: openMs, launch });
  tell({ kind: 'open', library: world.library });
  switch (job.kind) {
    case 'exchanges': {
      const memory = new wasm.Memory({ initial: 256, maximum: 256, shared: true });
      const here = tryExchanges({ ...world, count: job.count }, memory);
      trap();
      tell({ kind: 'done', result: [here, await exchangeOnThread(world, job.count)] });
      break;
    }
    case 'gather':
      await gather(world, job);
      break;
    case 'silence':
      if (job.absent === world.rank) await stay();
      tell({ kind: 'done', result: [await world.silentRanks(shortMs), await world.silentRanks(shortMs)] });
      return stay();
    case 'muster':
      tell({ kind: 'done', result: await meet(world, job) });
      break;
    case 'abort':
      if (world.rank !== 0) await world.allGather(new Uint8Array(1), 'what nobody brings', longestMs);
      return world.abort(job.exitCode);
    case 'end':
      return end(world, job.absent);
    case 'start':
      break;
    default:
      job satisfies never;
  }
  await world.finalize();
}

const launch = launchOf(process.env);
if (isMainThread) {
  try {
    await run(JSON.parse(process.argv[2]) as RankJob);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    tell({ kind: 'failed', code: error.code, message: error.message });
    process.exitCode = error.exitCode;
  }
} else {
  const memory = new wasm.Memory({ initial: 256, maximum: 256, shared: true });
  parentPort?.postMessage(tryExchanges(workerData, memory));
}
