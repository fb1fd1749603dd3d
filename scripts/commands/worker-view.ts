/** What a worker shows: where it is, what it has, what it computes, and why it ends. */
import { epochShape, recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import type { Job } from '../../worker/job.ts';
import type { WorkerEvent } from '../../worker/worker.ts';
import { publishedName } from '../recipes/digests.ts';
import { clock, grouped, percent, plural, type Screen } from './screen.ts';
import type { WorkerPlan } from './worker.ts';
import { type EpochHere, shardsOf, WorkerProgress } from './worker-progress.ts';
import { wrapped } from './wrap.ts';

/** What takes longer is said in a line where no block moves. */
const patienceMs = 2_000;
const columnsOfEpoch = 72;

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
  readonly #patienceMs: number;
  #endBlock: (() => void) | null = null;
  #progress: WorkerProgress | null = null;
  /** What it does or waits for where it does not compute, and since when. */
  #status = '';
  #sinceMs = 0;
  #saying: NodeJS.Timeout | undefined;
  #isRetrying = false;

  constructor(screen: Screen, plan: WorkerPlan, patience = patienceMs) {
    this.#screen = screen;
    this.#plan = plan;
    this.#patienceMs = patience;
    this.account.name = plan.name;
  }

  start(): void {
    const { threads, kernels, address } = this.#plan;
    this.#screen.line(`Lockstep ${version}: worker, ${plural(threads, 'thread')}`);
    const about = `${kernels.set} kernels: ${kernels.reason}`;
    for (const line of wrapped(about, this.#screen.columns)) this.#screen.line(line);
    this.#say(`connecting to ${address}`);
    this.#endBlock ??= this.#screen.animate(() => this.#block());
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
        this.#status = `fetching the data: ${megabytes(event.bytes)} of ${megabytes(event.total)} MB`;
        break;
      case 'data':
        this.#screen.text(`${origins[event.from]}`, 'data    ');
        this.#wait('waiting for the replica');
        break;
      case 'ready':
        this.#progress?.ready(event.step, performance.now());
        this.#screen.line(event.step === 0 ? 'ready' : `ready, from step ${grouped(event.step + 1)} on`);
        this.#wait('waiting for the next step');
        break;
      case 'resync':
        this.#say(`gets a new replica: ${event.reason}`);
        break;
      case 'computed':
        this.#computed(event.step, event.shards);
        break;
      case 'lost':
        this.#progress = null;
        this.#say(`connection lost: ${event.reason}${again(event.seconds)}`);
        break;
      case 'retrying':
        if (!this.#isRetrying) this.#screen.text(event.reason);
        this.#isRetrying = true;
        this.#show(`trying again in ${event.seconds.toFixed(1)} s`);
        break;
      case 'warning':
        this.#screen.text(event.line);
        break;
      default:
        event satisfies never;
    }
  }

  /** @param reason why it ended; null where that is an error, which is shown elsewhere */
  finish(reason: string | null): void {
    this.stop();
    const { shards, steps, sessions } = this.account;
    if (reason !== null) this.#screen.text(`over: ${reason}`);
    if (reason === null && sessions === 0) return;
    const came = sessions > 1 ? `, ${sessions} sessions` : '';
    this.#screen.text(`${plural(shards, 'shard')} in ${plural(steps, 'step')} computed here${came}`);
  }

  /** Takes the block away. */
  stop(): void {
    clearTimeout(this.#saying);
    this.#endBlock?.();
    this.#endBlock = null;
  }

  #welcome(name: string, { recipe, samples }: Job): void {
    const run = { recipe, ...epochShape(recipe, samples.train) };
    this.account.name = name;
    this.account.sessions += 1;
    this.#isRetrying = false;
    this.#progress = new WorkerProgress(run);
    this.#screen.text(`connected to ${this.#plan.way.url} as ${name}`);
    const id = recipeId(recipe);
    const known = publishedName(id);
    this.#screen.text(`${known === null ? '' : `${known} `}${id.slice(0, 8)}`, 'recipe  ');
    this.#screen.text(recipe.model, 'model   ');
    this.#screen.text(
      `${plural(recipe.epochs, 'epoch')} of ${grouped(run.steps)}, ` +
        `${plural(shardsOf(run, 0), 'shard')} of ${recipe.shardSize} samples each`,
      'steps   ',
    );
    this.#wait('looking for the data');
  }

  #computed(step: number, shards: number): void {
    if (this.#progress === null) return;
    clearTimeout(this.#saying);
    this.account.shards += shards;
    this.account.steps += shards > 0 ? 1 : 0;
    const ended = this.#progress.computed(step, shards, performance.now());
    if (ended === null) return;
    this.#endEpoch(ended);
    this.#show('evaluating');
  }

  #endEpoch({ epoch, epochs, share, seconds, samplesPerSecond }: EpochHere): void {
    this.#screen.line(
      `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}  ${percent(share)} of the shards here` +
        (this.#screen.columns < columnsOfEpoch
          ? ''
          : `  ${seconds.toFixed(1).padStart(5)} s  ${grouped(samplesPerSecond).padStart(7)} samples/s`),
    );
  }

  /** A line that stays, and stands for what is done until there is more to say. */
  #say(text: string): void {
    this.#screen.text(text);
    this.#show(text);
  }

  /** Where no block moves, what takes long is said in a line, once. */
  #wait(text: string): void {
    this.#show(text);
    if (!this.#screen.isLive) this.#saying = setTimeout(() => this.#screen.line(text), this.#patienceMs);
  }

  #show(text: string): void {
    clearTimeout(this.#saying);
    this.#status = text;
    this.#sinceMs = performance.now();
  }

  #block(): string[] {
    const nowMs = performance.now();
    if (this.#progress?.isAtWork) {
      return this.#progress.lines(nowMs, this.#screen.room.columns, (style, text) =>
        this.#screen.style(style, text),
      );
    }
    return [`${this.#status}  ${clock((nowMs - this.#sinceMs) / 1000)}`];
  }
}

function again(seconds: number): string {
  return seconds === 0 ? '' : `; trying again for ${clock(seconds)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
