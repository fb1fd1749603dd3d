/** A run for TensorBoard: an event file of its own in a folder that may hold those of the run's earlier starts. */
import { openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { checkWritable, codeOf, makeFolders } from '../../coordinator/durable-file.ts';
import type { LiveRun } from '../../coordinator/live-run.ts';
import type { Run } from '../../coordinator/prepare.ts';
import type { EpochReport, StepReport } from '../../coordinator/reports.ts';
import { RunFile } from '../../coordinator/run-file.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { takeSnapshot } from '../../shared/model/snapshot.ts';
import { isTrained } from '../../shared/model/tensors.ts';
import { canonicalJson } from '../../shared/recipe/recipe.ts';
import { Curve, type Point } from './curve.ts';
import { event, histogram, markdown, scalar, start, summary, type Told, version } from './events.ts';
import { record } from './records.ts';

/** What of a run is shown. */
export interface ShownRun extends Pick<LiveRun, 'flat'> {
  readonly run: Pick<Run, 'recipe' | 'committed' | 'architecture'>;
}

export interface EventFileOptions {
  readonly folder: string;
  readonly live: ShownRun;
  /** Called at most once, when writing fails; the file ends there. */
  readonly alarm: (error: LockstepError) => void;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
  /** Opens a new file whose name begins so. */
  readonly open?: (path: string) => number;
}

/** Steps become at most four points a second, as often as they are told of. */
const pointMs = 250;

export class EventFile {
  readonly #live: ShownRun;
  readonly #file: RunFile;
  readonly #nowMs: () => number;
  readonly #curve: Curve;

  /**
   * Opens a new file for a run that begins, or goes on: TensorBoard forgets what earlier files of the folder say of
   * the steps that come now.
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor({ folder, live, alarm, nowMs = Date.now, open = openNew }: EventFileOptions) {
    this.#live = live;
    this.#nowMs = nowMs;
    this.#curve = new Curve(nowMs, pointMs);
    const path = join(folder, fileName(nowMs()));
    this.#file = new RunFile(path, 'event file', alarm, () => {
      makeFolders(folder);
      return open(path);
    });
    const { recipe, committed } = live.run;
    this.#write(0, version());
    this.#write(committed + 1, start());
    this.#write(committed, summary(markdown('recipe', codeBlock(canonicalJson(recipe)))));
  }

  get failed(): boolean {
    return this.#file.failed;
  }

  steps(reports: readonly StepReport[]): void {
    this.#point(this.#curve.add(reports));
  }

  /** Has to be called before the run's next step. */
  epoch({ steps, testLoss, testAccuracy }: EpochReport): void {
    this.#point(this.#curve.take());
    this.#write(
      steps,
      summary(
        scalar('epoch/test_loss', testLoss),
        scalar('epoch/test_accuracy', testAccuracy),
        ...this.#runningStatistics(),
      ),
    );
  }

  close(): void {
    this.#point(this.#curve.take());
    this.#file.close();
  }

  #runningStatistics() {
    const { architecture } = this.#live.run;
    const own = architecture.tensors.filter(({ role }) => !isTrained(role));
    const state = own.length === 0 ? null : this.#live.flat();
    if (state === null) return [];
    const { tensors } = takeSnapshot(architecture, state.flat, new Map());
    return own.map(({ name }) => histogram(`batch_norm/${name}`, tensors.get(name) ?? new Float32Array(0)));
  }

  #point(point: Point | null): void {
    if (point === null) return;
    this.#write(
      point.step,
      summary(
        scalar('train/loss', point.loss),
        scalar('train/accuracy', point.accuracy),
        scalar('train/samples_per_second', point.samplesPerSecond),
      ),
    );
  }

  #write(step: number, told: Told): void {
    this.#file.write(record(event(this.#nowMs() / 1000, step, told)));
  }
}

/**
 * Finds out beforehand whether an event file can be written to a folder; leaves nothing behind.
 * @throws LockstepError (OUTPUT)
 */
export function checkEventFolder(folder: string): void {
  checkWritable(join(folder, fileName(Date.now())));
}

/** As TensorBoard's own writer names them; it finds and orders files by these names. */
function fileName(nowMs: number): string {
  const host = hostname().replace(/[^\w.-]/g, '_');
  return `events.out.tfevents.${String(Math.floor(nowMs / 1000)).padStart(10, '0')}.${host}.${process.pid}`;
}

/** A file that was not there, with the first number that is free behind its name. */
function openNew(path: string): number {
  for (let number = 0; ; number++) {
    try {
      return openSync(`${path}.${number}`, 'wx');
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Indented by four, Markdown shows it as it is. */
function codeBlock(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2).replace(/^/gm, '    ');
}
