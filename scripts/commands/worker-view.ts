/** What a worker shows: where it is, what it has, what it computes, and why it ends. */
import { epochShape, type Recipe, recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import type { Job } from '../../worker/job.ts';
import type { WorkerEvent } from '../../worker/worker.ts';
import { nameOf, publishedDigests } from '../recipes/digests.ts';
import { clock, grouped, percent, plural, type Screen } from './screen.ts';
import type { WorkerPlan } from './worker.ts';
import { wrapped } from './wrap.ts';

/** The line that moves is drawn this often, and its speed is that of the last turns. */
const drawMs = 250;
const speedTurns = 8;

/** The run that it works for, and the samples and steps of an epoch. */
interface ShownRun {
  readonly recipe: Recipe;
  readonly samples: number;
  readonly steps: number;
}

const origins = {
  own: 'own copy',
  cached: 'kept from an earlier run',
  fetched: 'from the coordinator',
  kept: 'from the coordinator, kept for the next time',
} as const;

export class WorkerView {
  /** What this worker did, over all sessions. */
  readonly account = { name: '', shards: 0, steps: 0, sessions: 0 };
  readonly #screen: Screen;
  readonly #plan: WorkerPlan;
  #timer: NodeJS.Timeout | undefined;
  #run: ShownRun | null = null;
  /** Steps that all have done, and what this worker did of the current epoch. */
  #step = 0;
  #epoch = { shards: 0, all: 0, sinceMs: 0 };
  /** Samples computed here until then, for the speed. */
  readonly #history: { readonly ms: number; readonly samples: number }[] = [];
  #samples = 0;
  /** What it does, where it does not compute; and the shards that it had in the last step, where it does. */
  #status = '';
  #share: number | null = null;
  #isRetrying = false;

  constructor(screen: Screen, plan: WorkerPlan) {
    this.#screen = screen;
    this.#plan = plan;
    this.account.name = plan.name;
  }

  start(): void {
    const { threads, kernels, address } = this.#plan;
    this.#screen.line(`Lockstep ${version}: worker, ${plural(threads, 'thread')}`);
    const about = `${kernels.set} kernels: ${kernels.reason}`;
    for (const line of wrapped(about, this.#screen.columns)) this.#screen.line(line);
    this.#say(`connecting to ${address}`);
    if (this.#screen.isLive) this.#timer = setInterval(() => this.#draw(), drawMs);
  }

  event(event: WorkerEvent): void {
    switch (event.kind) {
      case 'welcomed':
        this.#welcome(event.name, event.job);
        break;
      case 'fetching':
        this.#say('fetching the data from the coordinator');
        break;
      case 'progress':
        this.#status = `data ${megabytes(event.bytes)} of ${megabytes(event.total)} MB`;
        break;
      case 'data':
        this.#screen.line(`data    ${origins[event.from]}`);
        this.#status = 'waiting for the replica';
        break;
      case 'ready':
        this.#step = event.step;
        this.#epoch = { shards: 0, all: 0, sinceMs: performance.now() };
        this.#say(event.step === 0 ? 'ready' : `ready, from step ${grouped(event.step + 1)} on`);
        break;
      case 'resync':
        this.#say(`gets a new replica: ${event.reason}`);
        break;
      case 'computed':
        this.#computed(event.step, event.shards);
        break;
      case 'lost':
        this.#run = null;
        this.#say(`connection lost: ${event.reason}${again(event.seconds)}`);
        break;
      case 'retrying':
        if (!this.#isRetrying) this.#screen.line(event.reason);
        this.#isRetrying = true;
        this.#status = `trying again in ${event.seconds.toFixed(1)} s`;
        break;
      case 'warning':
        this.#screen.line(event.line);
        break;
      default:
        event satisfies never;
    }
  }

  /** @param reason why it ended; null where that is an error, which is shown elsewhere */
  finish(reason: string | null): void {
    this.stop();
    const { shards, steps, sessions } = this.account;
    if (reason !== null) this.#screen.line(`over: ${reason}`);
    if (reason === null && sessions === 0) return;
    const came = sessions > 1 ? `, ${sessions} sessions` : '';
    this.#screen.line(`${plural(shards, 'shard')} in ${plural(steps, 'step')} computed here${came}`);
  }

  /** Takes the moving line away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#screen.status('');
  }

  #welcome(name: string, { recipe, samples }: Job): void {
    const run = { recipe, ...epochShape(recipe, samples.train) };
    this.account.name = name;
    this.account.sessions += 1;
    this.#isRetrying = false;
    this.#run = run;
    this.#screen.line(`connected to ${this.#plan.way.url} as ${name}`);
    const id = recipeId(recipe);
    const known = publishedDigests.find((published) => published.recipeId === id);
    this.#screen.line(`recipe  ${known === undefined ? '' : `${nameOf(known)} `}${id.slice(0, 8)}`);
    this.#screen.line(`model   ${recipe.model}`);
    this.#screen.line(
      `steps   ${plural(recipe.epochs, 'epoch')} of ${grouped(run.steps)}, ` +
        `${plural(shardsOf(run, 0), 'shard')} of ${recipe.shardSize} samples each`,
    );
    this.#status = 'looking for the data';
  }

  #computed(step: number, shards: number): void {
    const run = this.#run;
    if (run === null) return;
    this.#step = step + 1;
    this.account.shards += shards;
    this.account.steps += shards > 0 ? 1 : 0;
    this.#samples += shards * run.recipe.shardSize;
    this.#epoch.shards += shards;
    this.#epoch.all += shardsOf(run, step);
    this.#share = shards;
    if (this.#step % run.steps === 0) this.#endEpoch(this.#step / run.steps, run.recipe);
  }

  #endEpoch(epoch: number, { epochs, shardSize }: Recipe): void {
    const { shards, all, sinceMs } = this.#epoch;
    const nowMs = performance.now();
    const speed = (1000 * shards * shardSize) / (nowMs - sinceMs);
    this.#screen.line(
      `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}  ${percent(all === 0 ? 0 : shards / all)} of the shards here  ` +
        `${((nowMs - sinceMs) / 1000).toFixed(1).padStart(5)} s  ${grouped(speed).padStart(7)} samples/s`,
    );
    this.#epoch = { shards: 0, all: 0, sinceMs: nowMs };
    this.#share = null;
    this.#status = 'evaluating';
  }

  /** A line that stays, and stands for what is done until there is more to say. */
  #say(text: string): void {
    this.#screen.line(text);
    this.#status = text;
    this.#share = null;
  }

  #draw(): void {
    const nowMs = performance.now();
    this.#history.push({ ms: nowMs, samples: this.#samples });
    if (this.#history.length > speedTurns) this.#history.shift();
    const [{ ms, samples }] = this.#history;
    const speed = nowMs === ms ? 0 : (1000 * (this.#samples - samples)) / (nowMs - ms);
    const text =
      this.#share === null ? this.#status : `${this.#place(this.#share)} ${grouped(speed)} samples/s here`;
    this.#screen.status(text.slice(0, this.#screen.columns - 3));
  }

  /** `epoch 3/10 step 57/469 shards 4/8` */
  #place(share: number): string {
    if (this.#run === null) return this.#status;
    const { recipe, steps } = this.#run;
    const epoch = Math.floor(this.#step / steps) + 1;
    const shards = `${share}/${shardsOf(this.#run, this.#step - 1)}`;
    return `epoch ${epoch}/${recipe.epochs} step ${this.#step % steps}/${steps} shards ${shards}`;
  }
}

/** Shards of a step, counted from 0 over all epochs; the last batch of an epoch may be short. */
function shardsOf({ recipe: { batchSize, shardSize }, samples, steps }: ShownRun, step: number): number {
  const batch = Math.min(batchSize, samples - (step % steps) * batchSize);
  return Math.ceil(batch / shardSize);
}

function again(seconds: number): string {
  return seconds === 0 ? '' : `; trying again for ${clock(seconds)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
