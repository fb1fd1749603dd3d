/** A terminal that a test can look at: it understands what a moving line needs, and nothing else. */
import { stripVTControlCharacters } from 'node:util';

const clearLine = '\r\u001b[2K';

export class FakeTerminal {
  readonly isTTY: boolean;
  readonly columns: number;
  /** The lines as they stand; the last one is the one the cursor is in. */
  readonly lines: string[] = [''];
  /** Everything that was written, in order. */
  raw = '';
  #waiting: (() => void)[] = [];

  constructor(columns = 80, isTTY = true) {
    this.columns = columns;
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.raw += text;
    for (const [i, part] of text.split(clearLine).entries()) {
      if (i > 0) this.lines[this.lines.length - 1] = '';
      const [first, ...others] = stripVTControlCharacters(part).split('\n');
      this.lines[this.lines.length - 1] += first;
      this.lines.push(...others);
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
    return true;
  }

  /** Waits for the next write. */
  written(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** This terminal as the stream that a program writes to. */
  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }
}
