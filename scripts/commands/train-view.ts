/** What `train` shows: a head, a line that moves, a line per epoch, and what came of it. */
import type { LiveRun } from '../../coordinator/live-run.ts';
import type { Run } from '../../coordinator/prepare.ts';
import type { EpochReport } from '../../coordinator/reports.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import { digestOf } from '../recipes/digests.ts';
import type { Summary } from '../summary.ts';
import { travelOf, travelText } from '../travel.ts';
import { clock, grouped, percent, plural, type Screen } from './screen.ts';
import { commandText } from './shell-word.ts';
import { wrapped } from './wrap.ts';

/** The line that moves is drawn this often. */
const drawMs = 100;
const barWidth = 12;

/** Command lines, word by word. */
export interface NextSteps {
  /** To look at the model with; none if it was not written. */
  readonly look: readonly (readonly string[])[];
  /** To train the same on another number of threads. */
  readonly again: readonly string[];
  /** To go on with a run that was stopped; null for one that is not kept. */
  readonly goOn: readonly string[] | null;
}

export class TrainView {
  readonly #screen: Screen;
  #timer: NodeJS.Timeout | undefined;
  #run: Run | undefined;
  #live: LiveRun | undefined;
  /** When its first step could begin. */
  #startMs = 0;
  /** What it waits for, and since when. */
  #waiting: { readonly text: string; readonly sinceMs: number } | null = null;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /**
   * @param threads of this process that compute
   * @param notes on where it goes on
   */
  start(
    run: Run,
    live: LiveRun,
    recipeName: string,
    threads = run.setup.sizes.threads,
    notes: readonly string[] = [],
  ): void {
    const { recipe, kernels } = run;
    this.#run = run;
    this.#live = live;
    this.#startMs = performance.now();
    this.#screen.line(
      `Lockstep ${version}: recipe ${this.#screen.style('bold', recipeName)} ${recipeId(recipe).slice(0, 8)}, ` +
        `${grouped(run.samples.length)} samples, ${grouped(run.steps)} steps an epoch`,
    );
    const who = threads === 0 ? 'no threads here' : plural(threads, 'thread');
    const about = `${who}, ${kernels.set} kernels: ${kernels.reason}`;
    for (const text of [about, ...notes]) {
      for (const line of wrapped(text, this.#screen.columns)) this.#screen.line(line);
    }
    this.#screen.line();
    if (this.#screen.isLive) this.#timer = setInterval(() => this.#draw(), drawMs);
  }

  /** Shows what is waited for in the line that moves; null when it has come. */
  waitFor(text: string | null): void {
    if (text === null && this.#live?.position().epoch === 0) this.#startMs = performance.now();
    this.#waiting = text === null ? null : { text, sinceMs: performance.now() };
    this.#screen.status('');
  }

  epoch(report: EpochReport): void {
    const epochs = this.#run?.recipe.epochs ?? report.epoch;
    const change =
      report.change === null ? '' : (report.change < 0 ? '−' : '+') + Math.abs(report.change).toFixed(4);
    const width = String(epochs).length;
    this.#screen.line(
      `epoch ${String(report.epoch).padStart(width)}/${epochs}  loss ${report.loss.toFixed(4)} ${change.padStart(8)}` +
        `  test ${percent(report.testAccuracy)}  ${report.seconds.toFixed(1).padStart(5)} s` +
        `  ${grouped(report.samplesPerSecond).padStart(7)} samples/s`,
    );
  }

  /** Takes the moving line away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#screen.status('');
  }

  /** How to go on with a run that was stopped, in one line. */
  goOn({ goOn }: NextSteps): void {
    if (goOn !== null) this.#screen.line(`to go on: ${commandText(goOn)}`);
  }

  finish(summary: Summary, models: readonly string[], next: NextSteps): void {
    const { look, again } = next;
    const { testAccuracy, testLoss, samplesPerSecond, seconds, work, deaths } = summary;
    const row = (name: string, value: string) => this.#screen.line(`${name.padEnd(15)} ${value}`);
    const command = (words: readonly string[]) => this.#screen.line(`  ${commandText(words)}`);
    const isStopped = summary.stoppedBy === 'signal' || summary.stoppedBy === 'callback';
    this.#screen.line();
    if (isStopped) row('stopped after', `step ${grouped(summary.steps)}`);
    if (summary.stoppedBy === 'earlyStopping') row('stopped early', `after epoch ${grouped(summary.epochs)}`);
    if (summary.bestEpoch !== null) row('best weights', `those of epoch ${grouped(summary.bestEpoch)}`);
    row('test accuracy', `${percent(testAccuracy)}, loss ${testLoss.toFixed(4)}`);
    const speed = samplesPerSecond === null ? '' : `, ${grouped(samplesPerSecond)} samples/s`;
    row('time', `${seconds.toFixed(1)} s${speed}`);
    const noun = summary.workers > 0 ? 'worker' : 'thread';
    if (work.length > (summary.workers > 0 ? 0 : 1) && summary.stepsComputed > 0)
      row('shards', sharesOf(work, noun));
    if (summary.workers > 0) row('workers', `${grouped(summary.workers)}, ${plural(summary.joins, 'join')}`);
    const shards = plural(summary.shardsRecomputed, 'shard');
    if (deaths > 0) row('lost', `${plural(deaths, noun)}, ${shards} computed again`);
    else if (summary.shardsRecomputed > 0)
      row('computed again', `${shards}, of workers that left or were late`);
    const travel = travelText(travelOf(work));
    if (travel !== null) {
      row('up', travel.up);
      row('down', travel.down);
    }
    row('weights digest', summary.weightsDigest);
    if (!isStopped) this.#judge(summary);
    for (const path of models) row('model', path);
    if (look.length > 0) {
      this.#screen.line();
      this.#screen.line('Look at it:');
      for (const words of look) command(words);
    }
    if (isStopped) {
      this.#screen.line();
      this.goOn(next);
      return;
    }
    if (look.length === 0) this.#screen.line();
    this.#screen.line(`The same bits on ${again.at(-1) === '1' ? 'one thread' : 'two threads'}:`);
    command(again);
  }

  /** A recipe whose digest is published shows at once whether this machine keeps the promise. */
  #judge({ recipeId: id, weightsDigest }: Summary): void {
    const published = digestOf(id);
    if (published === null) return;
    const indent = ' '.repeat(16);
    if (published === weightsDigest) {
      this.#screen.line(
        `${indent}${this.#screen.style('green', 'the published digest: the same bits as everywhere')}`,
      );
    } else {
      this.#screen.line(`${indent}${this.#screen.style('red', 'NOT the published digest of this recipe:')}`);
      this.#screen.line(`${indent}${published}`);
      this.#screen.line(`${indent}please report this machine, its Node version and the two digests`);
    }
  }

  #draw(): void {
    const run = this.#run;
    const position = this.#live?.position();
    if (run === undefined || position === undefined) return;
    if (this.#waiting !== null) {
      const { text, sinceMs } = this.#waiting;
      this.#status(`${text}  ${clock((performance.now() - sinceMs) / 1000)}`);
      return;
    }
    const { epochs } = run.recipe;
    const done = Math.max(0, position.epoch - 1) + position.step / run.steps;
    // What was done before this process is no measure of how fast it is.
    const doneHere = done - run.committed / run.steps;
    const elapsed = (performance.now() - this.#startMs) / 1000;
    const left = doneHere <= 0 ? '' : ` ${clock((elapsed / doneHere) * (epochs - done))} left`;
    const samplesOf = (steps: number) => Math.min(steps * run.recipe.batchSize, run.samples.length);
    const samples = samplesOf(position.step) - samplesOf(position.first);
    const speed = position.seconds === 0 ? 0 : samples / position.seconds;
    const filled = Math.round((barWidth * position.step) / run.steps);
    const loss = position.loss === null ? '' : ` loss ${position.loss.toFixed(4)}`;
    const text =
      `epoch ${position.epoch}/${epochs} ${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ` +
      `step ${position.step}/${run.steps}${loss} ${grouped(speed)} samples/s${left}`;
    this.#status(text);
  }

  #status(text: string): void {
    // The terminal itself adds ^C when it is pressed.
    this.#screen.status(text.slice(0, this.#screen.columns - 3));
  }
}

/** Who computed how much: `50.0 % thread 0, 50.0 % thread 1`, or from least to most where there are many. */
function sharesOf(work: Summary['work'], noun: string): string {
  const total = work.reduce((sum, { shards }) => sum + shards, 0);
  const share = (shards: number) => `${((100 * shards) / total).toFixed(1)} %`;
  if (work.length <= 4) return work.map(({ name, shards }) => `${share(shards)} ${name}`).join(', ');
  const counts = work.map(({ shards }) => shards);
  return `${share(Math.min(...counts))} to ${share(Math.max(...counts))} by each of ${work.length} ${noun}s`;
}
