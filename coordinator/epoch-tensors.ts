/** The reports of a run's epochs as tensors of binary64, one for each number, and back, exactly. */
import type { StoredTensor } from '../shared/model/safetensors.ts';
import type { EpochReport } from './reports.ts';

/** What is stored of a report; the rest follows from its place and from the report before it. */
const stored = ['steps', 'loss', 'testLoss', 'testAccuracy', 'seconds', 'samplesPerSecond'] as const;

/** Tensors by the names of a report's fields, each of shape (epochs). */
export function epochTensors(epochs: readonly EpochReport[]): Map<string, StoredTensor> {
  return new Map(
    stored.map((name) => {
      const values = Float64Array.from(epochs, (report) => report[name]);
      return [name, { dtype: 'F64', shape: [values.length], values }];
    }),
  );
}

/** Reads the reports of `count` epochs; refuses tensors that are not as many numbers for each field. */
export function readEpochs(
  tensors: ReadonlyMap<string, StoredTensor>,
  count: number,
  refuse: (what: string) => never,
): EpochReport[] {
  const column = (name: (typeof stored)[number]): Float64Array => {
    const values = tensors.get(name)?.values;
    if (values instanceof Float64Array && values.length === count) return values;
    return refuse(`its epochs.${name} is not of the ${count} epochs that its cursor says are done`);
  };
  if (tensors.size > stored.length) {
    const extra = [...tensors.keys()].filter((name) => !stored.some((known) => known === name));
    refuse(`it has ${extra.length} tensors too many of epochs`);
  }
  const [steps, losses, testLosses, testAccuracies, seconds, speeds] = stored.map(column);
  return Array.from(steps, (step, i) => ({
    epoch: i + 1,
    steps: step,
    loss: losses[i],
    change: i === 0 ? null : losses[i] - losses[i - 1],
    testLoss: testLosses[i],
    testAccuracy: testAccuracies[i],
    seconds: seconds[i],
    samplesPerSecond: speeds[i],
  }));
}
