/** Softmax and cross-entropy in one, in binary64. */

export type Loss = {
  /** the mean over the samples of −log P[label], in nats */
  loss: number;
  /** how many samples have their label at the first largest logit */
  correct: number;
  /** (rows, classes): the derivative of `loss` by the logits, (P − Y) ÷ rows */
  gradient: Float64Array;
};

/**
 * logits (rows, classes), labels (rows) → loss, hits and gradient.
 * The largest logit is taken off first, which changes nothing but keeps exp from overflowing.
 */
export function softmaxCrossEntropy(logits: Float64Array, labels: ArrayLike<number>, classes: number): Loss {
  const rows = labels.length;
  const gradient = new Float64Array(rows * classes);
  let loss = 0;
  let correct = 0;
  for (let r = 0; r < rows; r++) {
    const row = logits.subarray(r * classes, (r + 1) * classes);
    const label = labels[r];
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new RangeError(
        `label of sample ${r}: got ${label}, expected an integer from 0 to ${classes - 1}`,
      );
    }
    const largest = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    loss += (Math.log(sum) - (row[label] - largest)) / rows;
    if (row.indexOf(largest) === label) correct += 1;
    for (let c = 0; c < classes; c++) {
      const probability = Math.exp(row[c] - largest) / sum;
      gradient[r * classes + c] = (probability - (c === label ? 1 : 0)) / rows;
    }
  }
  return { loss, correct, gradient };
}
