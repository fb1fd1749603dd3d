/** Images of the test set behind the numbers of a confusion matrix. */
import { imageShape } from '../../shared/data/dataset.ts';
import { featureCount } from '../../shared/model/layer.ts';
import type { Run } from '../prepare.ts';

export const mostExamples = 12;

export interface ExamplesAnswer {
  /** Of the evaluation: epochs at that step, which may be in the middle of one. */
  readonly epoch: number;
  readonly step: number;
  readonly label: number;
  readonly prediction: number;
  /** Samples of this label that were predicted so, of which the first are shown. */
  readonly count: number;
  readonly samples: readonly {
    /** Its number in the test set. */
    readonly sample: number;
    /** (28, 28) bytes in base64. */
    readonly image: string;
  }[];
}

export class Examples {
  readonly #run: Run;
  readonly #step: number;
  /** A copy: the next evaluation writes over them. */
  readonly #predictions: Uint8Array;

  /** Takes the predictions of the evaluation that has just been made, after so many steps. */
  constructor(run: Run, step: number) {
    const { plan, memory } = run;
    this.#run = run;
    this.#step = step;
    this.#predictions = new Uint8Array(memory.buffer, plan.predictions, plan.test.samples).slice();
  }

  of(label: number, prediction: number): ExamplesAnswer {
    const { plan, memory, steps } = this.#run;
    const { images, labels: place, samples: sampleCount } = plan.test;
    const labels = new Uint8Array(memory.buffer, place, sampleCount);
    const pixels = featureCount(imageShape);
    const samples: { sample: number; image: string }[] = [];
    let count = 0;
    for (let sample = 0; sample < sampleCount; sample++) {
      if (labels[sample] !== label || this.#predictions[sample] !== prediction) continue;
      count += 1;
      if (samples.length === mostExamples) continue;
      const image = Buffer.from(memory.buffer, images + sample * pixels, pixels).toString('base64');
      samples.push({ sample, image });
    }
    return { epoch: this.#step / steps, step: this.#step, label, prediction, count, samples };
  }
}
