/** What `train` shows: a head, a block that moves, a line per epoch, and what came of it. */
import type { Evaluation } from '../../coordinator/evaluation.ts';
import type { LiveRun } from '../../coordinator/live-run.ts';
import type { Run } from '../../coordinator/prepare.ts';
import { Rates } from '../../coordinator/rates.ts';
import type { EpochReport, StepReport } from '../../coordinator/reports.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import type { Summary } from '../summary.ts';
import { confusionLines } from './confusion.ts';
import { learningCurve } from './learning-curve.ts';
import { LossHistory } from './loss-history.ts';
import { type Progress, progressLines } from './progress-lines.ts';
import { clock, grouped, percent, plural, type Screen } from './screen.ts';
import { isStopped, type NextSteps, showGoOn, showSummary } from './summary-view.ts';
import { WorkerLines } from './worker-lines.ts';
import { wrapped } from './wrap.ts';

/** What takes longer is said in a line where no block moves. */
const patienceMs = 2_000;
/** What the test set said is kept for so many epochs, in case that the weights of one of them are brought back. */
const mostEvaluations = 1_000;
const columnsOfEpoch = 80;

interface Wait {
  readonly text: string;
  readonly sinceMs: number;
}

export class TrainView {
  readonly #screen: Screen;
  readonly #patienceMs: number;
  readonly #losses = new LossHistory();
  readonly #rates = new Rates();
  readonly #workers = new WorkerLines();
  #epochs: EpochReport[] = [];
  /** What was taken for what on the test set, by the steps before. */
  readonly #confusions = new Map<number, Evaluation['confusion']>();
  #endBlock: (() => void) | null = null;
  #saying: NodeJS.Timeout | undefined;
  #run: Run | undefined;
  #live: LiveRun | undefined;
  /** When its first step could begin, and what was waited for since. */
  #startMs = 0;
  #waitedMs = 0;
  #waiting: Wait | null = null;

  constructor(screen: Screen, patience = patienceMs) {
    this.#screen = screen;
    this.#patienceMs = patience;
  }

  /** Before there is anything to show, says what it takes: in the block, or in a line if that takes long. */
  prepare(text: string): void {
    this.#waiting = { text, sinceMs: performance.now() };
    this.#endBlock ??= this.#screen.animate(() => this.#block());
    if (!this.#screen.isLive) this.#saying = setTimeout(() => this.#screen.line(text), this.#patienceMs);
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
    clearTimeout(this.#saying);
    this.#waiting = null;
    this.#screen.block([]);
    const { recipe, kernels, from } = run;
    this.#screen.text(
      `Lockstep ${version}: recipe ${this.#screen.style('bold', recipeName)} ${recipeId(recipe).slice(0, 8)}, ` +
        `${grouped(run.samples.length)} samples, ${grouped(run.steps)} steps an epoch`,
    );
    const who = threads === 0 ? 'no threads here' : plural(threads, 'thread');
    const about = `${who}, ${kernels.set} kernels: ${kernels.reason}`;
    for (const text of [about, ...notes]) {
      for (const line of wrapped(text, this.#screen.columns)) this.#screen.line(line);
    }
    this.#screen.line();
    this.#run = run;
    this.#live = live;
    this.#startMs = performance.now();
    this.#epochs = [...(from?.epochs ?? [])];
    this.#endBlock ??= this.#screen.animate(() => this.#block());
  }

  /** Shows what is waited for in the block; null when it has come. */
  waitFor(text: string | null): void {
    const nowMs = performance.now();
    // Before the first step here.
    if (text === null && this.#live?.committed() === this.#run?.committed) this.#startMs = nowMs;
    else if (text === null && this.#waiting !== null) this.#waitedMs += nowMs - this.#waiting.sinceMs;
    this.#waiting = text === null ? null : { text, sinceMs: nowMs };
    this.#screen.block([]);
  }

  steps(reports: readonly StepReport[]): void {
    for (const { loss } of reports) this.#losses.add(loss);
  }

  /** What the test set says of the model after so many steps. */
  evaluation({ confusion }: Pick<Evaluation, 'confusion'>, steps: number): void {
    this.#confusions.set(steps, confusion);
    const [oldest] = this.#confusions.keys();
    if (this.#confusions.size > mostEvaluations) this.#confusions.delete(oldest);
  }

  epoch(report: EpochReport): void {
    this.#epochs.push(report);
    const epochs = this.#run?.recipe.epochs ?? report.epoch;
    const change =
      report.change === null ? '' : (report.change < 0 ? '−' : '+') + Math.abs(report.change).toFixed(4);
    const width = String(epochs).length;
    const isWide = this.#screen.columns >= columnsOfEpoch;
    this.#screen.line(
      `epoch ${String(report.epoch).padStart(width)}/${epochs}  loss ${report.loss.toFixed(4)}` +
        (isWide ? ` ${change.padStart(8)}` : '') +
        `  test ${percent(report.testAccuracy)}` +
        (isWide
          ? `  ${report.seconds.toFixed(1).padStart(5)} s  ${grouped(report.samplesPerSecond).padStart(7)} samples/s`
          : ''),
    );
  }

  /** Takes the block away. */
  stop(): void {
    clearTimeout(this.#saying);
    this.#endBlock?.();
    this.#endBlock = null;
  }

  /** How to go on with a run that was stopped, in one line. */
  goOn(next: NextSteps): void {
    showGoOn(this.#screen, next);
  }

  /** How it learnt and what it takes for what, and below that what came of it. */
  finish(summary: Summary, models: readonly string[], next: NextSteps): void {
    if (!isStopped(summary)) {
      const steps = summary.bestEpoch === null ? summary.steps : summary.bestEpoch * (this.#run?.steps ?? 0);
      const confusion = this.#confusions.get(steps);
      const { columns } = this.#screen;
      this.#section(learningCurve(this.#epochs, columns, (style, text) => this.#screen.style(style, text)));
      this.#section(confusion === undefined ? [] : confusionLines(confusion, columns));
    }
    showSummary(this.#screen, summary, models, next);
  }

  #section(lines: readonly string[]): void {
    for (const line of lines.length === 0 ? [] : ['', ...lines]) this.#screen.line(line);
  }

  #block(): string[] {
    const { columns, lines: most } = this.#screen.room;
    const style: Screen['style'] = (name, text) => this.#screen.style(name, text);
    const nowMs = performance.now();
    const lines = this.#stateLines(nowMs, columns, style);
    const run = this.#run;
    if (run === undefined) return lines;
    const workers = this.#live?.workers() ?? [];
    const room = { columns, most: most - lines.length };
    return [...lines, ...this.#workers.lines(workers, run.recipe.shardSize, nowMs, room, style)];
  }

  #stateLines(nowMs: number, columns: number, style: Screen['style']): string[] {
    if (this.#waiting !== null) {
      const { text, sinceMs } = this.#waiting;
      return [`${text}  ${clock((nowMs - sinceMs) / 1000)}`];
    }
    const progress = this.#progress(nowMs);
    return progress === null ? [] : progressLines(progress, columns, style);
  }

  #progress(nowMs: number): Progress | null {
    const run = this.#run;
    const live = this.#live;
    if (run === undefined || live === undefined) return null;
    const { epochs, batchSize } = run.recipe;
    const { epoch, step, loss } = live.position();
    const committed = live.committed();
    const samplesOf = (steps: number) => Math.min(steps * batchSize, run.samples.length);
    const samples = Math.floor(committed / run.steps) * run.samples.length + samplesOf(committed % run.steps);
    this.#rates.observe('run', nowMs, samples);
    const done = committed / (epochs * run.steps);
    // What was done before this process is no measure of how fast it is.
    const doneHere = done - run.committed / (epochs * run.steps);
    const seconds = (nowMs - this.#startMs - this.#waitedMs) / 1000;
    return {
      epoch: Math.max(1, epoch),
      ...{ epochs, step, steps: run.steps, done, loss },
      samplesPerSecond: this.#rates.perSecond('run', nowMs),
      secondsLeft: doneHere > 0 ? (seconds / doneHere) * (1 - done) : null,
      isEvaluating: live.activity() === 'evaluating',
      losses: (most) => this.#losses.points(most),
    };
  }
}
