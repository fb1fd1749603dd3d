/** What every sample of every data set is. */

/** Shape of one sample: channels, rows, columns. */
export const imageShape = [1, 28, 28] as const;

/** Labels are 0 to `classCount - 1`. */
export const classCount = 10;
