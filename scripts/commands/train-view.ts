/** What `train` shows: a head, a line that moves, a line per epoch, and what came of it. */
import type { Run } from '../../coordinator/prepare.ts';
import type { EpochReport, Position } from '../../coordinator/reports.ts';
import { recipeId } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import { digestOf } from '../recipes/digests.ts';
import type { Summary } from '../summary.ts';
import { clock, grouped, percent, type Screen } from './screen.ts';

/** The line that moves is drawn this often. */
const drawMs = 100;
const barWidth = 16;

export class TrainView {
  readonly #screen: Screen;
  #timer: NodeJS.Timeout | undefined;
  #run: Run | undefined;
  #position: (() => Position) | undefined;
  #startMs = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  start(run: Run, position: () => Position, recipeName: string): void {
    const { recipe, setup, kernels } = run;
    this.#run = run;
    this.#position = position;
    this.#startMs = performance.now();
    const { threads } = setup.sizes;
    this.#screen.line(
      `Lockstep ${version}: recipe ${this.#screen.style('bold', recipeName)} ${recipeId(recipe).slice(0, 8)}, ` +
        `${grouped(run.samples.length)} samples, ${grouped(run.steps)} steps an epoch`,
    );
    this.#screen.line(
      `${threads} ${threads === 1 ? 'thread' : 'threads'}, kernels ${kernels.set} (${kernels.reason})`,
    );
    this.#screen.line();
    if (this.#screen.isLive) this.#timer = setInterval(() => this.#draw(), drawMs);
  }

  epoch(report: EpochReport): void {
    const epochs = this.#run?.recipe.epochs ?? report.epoch;
    const change =
      report.change === null ? '' : (report.change < 0 ? '−' : '+') + Math.abs(report.change).toFixed(4);
    const width = String(epochs).length;
    this.#screen.line(
      `epoch ${String(report.epoch).padStart(width)}/${epochs}  loss ${report.loss.toFixed(4)} ${change.padStart(8)}` +
        `  test ${percent(report.testAccuracy)}  ${report.seconds.toFixed(1).padStart(5)} s` +
        `  ${grouped(report.samplesPerSecond).padStart(7)}/s`,
    );
  }

  /** Takes the moving line away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#screen.status('');
  }

  finish(summary: Summary, modelPath: string | null, recipeName: string): void {
    const row = (name: string, value: string) => this.#screen.line(`${name.padEnd(15)} ${value}`);
    this.#screen.line();
    if (summary.stoppedBy !== null) row('stopped after', `step ${grouped(summary.steps)}`);
    row('test accuracy', percent(summary.testAccuracy));
    if (summary.samplesPerSecond !== null) row('speed', `${grouped(summary.samplesPerSecond)} samples/s`);
    row('weights digest', summary.weightsDigest);
    this.#judge(summary, recipeName);
    if (modelPath === null) return;
    row('model', modelPath);
    this.#screen.line();
    this.#screen.line('What next:');
    this.#screen.line(`  npm exec --no -- lockstep evaluate ${shellWord(modelPath)}`);
    this.#screen.line(`  npm exec --no -- lockstep inspect ${shellWord(modelPath)}`);
    this.#screen.line('  npm exec --no -- lockstep train mnist --threads 1   (the same digest)');
  }

  /** A recipe whose digest is published shows at once whether this machine keeps the promise. */
  #judge({ recipeId: id, weightsDigest, stoppedBy }: Summary, recipeName: string): void {
    const published = digestOf(id);
    if (published === null || stoppedBy !== null) return;
    const indent = ' '.repeat(16);
    if (published === weightsDigest) {
      this.#screen.line(
        `${indent}${this.#screen.style('green', 'the published digest: the same bits as everywhere')}`,
      );
    } else {
      this.#screen.line(
        `${indent}${this.#screen.style('red', `NOT the published digest of ${recipeName}:`)}`,
      );
      this.#screen.line(`${indent}${published}`);
      this.#screen.line(`${indent}please report this machine, its Node version and the two digests`);
    }
  }

  #draw(): void {
    const run = this.#run;
    const position = this.#position?.();
    if (run === undefined || position === undefined) return;
    const { epochs } = run.recipe;
    const done = Math.max(0, position.epoch - 1) + position.step / run.steps;
    const elapsed = (performance.now() - this.#startMs) / 1000;
    const left = done === 0 ? '' : ` ${clock((elapsed / done) * (epochs - done))} left`;
    const samples = Math.min(position.step * run.recipe.batchSize, run.samples.length);
    const speed = position.seconds === 0 ? 0 : samples / position.seconds;
    const filled = Math.round((barWidth * position.step) / run.steps);
    const loss = position.loss === null ? '' : ` loss ${position.loss.toFixed(4)}`;
    const text =
      `epoch ${position.epoch}/${epochs} ${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ` +
      `step ${position.step}/${run.steps}${loss} ${grouped(speed)}/s${left}`;
    this.#screen.status(text.slice(0, this.#screen.columns - 1));
  }
}

/** A path as one word of a shell's command line. */
function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
