/** Lines of JSON out of pieces of text that end anywhere. */

/** More than any message of the feed; who sends more without an end of line is not the coordinator. */
export const longestLine = 2 ** 24;

/** Takes pieces of text and gives the lines that they complete. */
export class LineSplitter {
  #rest = '';

  /** @throws Error when a line has more than `longestLine` characters */
  take(piece: string): string[] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > longestLine) throw new Error(`a line has more than ${longestLine} characters`);
    return lines.filter((line) => line !== '');
  }
}
