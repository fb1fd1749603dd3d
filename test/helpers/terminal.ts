/**
 * A terminal that a test can look at: it folds lines at its width, moves its cursor and clears as a block of lines that
 * is drawn again needs it, and knows no other sequence.
 */
import { stripVTControlCharacters } from 'node:util';
import { columnsOf } from '../../scripts/text-width.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unfinished = /(\u001b(?:\[[\d;?]*)?)$/;

export class FakeTerminal {
  readonly isTTY: boolean;
  columns: number;
  rows: number;
  /** The lines as they stand, folded as they were when written, with no colours. */
  readonly lines: string[] = [''];
  /** Everything that was written, in order, and in how many writes. */
  raw = '';
  writes = 0;
  /** Where the cursor is: a line, and a character of it. */
  #line = 0;
  #at = 0;
  /** A sequence whose end has not come. */
  #begun = '';
  #waiting: (() => void)[] = [];

  constructor(columns = 80, isTTY = true, rows = 24) {
    this.columns = columns;
    this.rows = rows;
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.raw += text;
    this.writes += 1;
    // A program's output may be cut anywhere on its way.
    const [whole, begun = ''] = `${this.#begun}${text}`.split(unfinished);
    this.#begun = begun;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    for (const piece of whole.split(/(\u001b\[[\d;?]*[A-Za-z]|[\r\n])/)) this.#take(piece);
    for (const resolve of this.#waiting.splice(0)) resolve();
    return true;
  }

  /** Makes it narrower or wider, as terminals do that fold again what they show. */
  resize(columns: number): void {
    const before = this.lines
      .slice(0, this.#line)
      .reduce((sum, line) => sum + this.#foldsOf(line, columns), 0);
    const here = Math.floor(Math.max(0, this.#at - 1) / columns);
    const folded = this.lines.flatMap((line) =>
      Array.from({ length: this.#foldsOf(line, columns) }, (_, i) =>
        line.slice(i * columns, (i + 1) * columns),
      ),
    );
    this.lines.splice(0, this.lines.length, ...folded);
    this.#line = before + here;
    this.#at -= here * columns;
    this.columns = columns;
  }

  /** Waits for the next write. */
  written(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Waits until this is true of what stands there. */
  async until(isShown: (lines: readonly string[]) => boolean): Promise<void> {
    while (!isShown(this.lines)) await this.written();
  }

  /** This terminal as the stream that a program writes to. */
  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }

  #foldsOf(line: string, columns: number): number {
    return Math.max(1, Math.ceil(line.length / columns));
  }

  #take(piece: string): void {
    const line = this.lines[this.#line];
    if (piece === '\n') this.#down();
    else if (piece === '\r') this.#at = 0;
    else if (piece.startsWith('\u001b')) this.#obey(piece);
    else if (piece !== '') {
      const text = stripVTControlCharacters(piece);
      const rest = line.padEnd(this.#at);
      this.lines[this.#line] = rest.slice(0, this.#at) + text + rest.slice(this.#at + text.length);
      this.#at += text.length;
      if (this.isTTY && columnsOf(this.lines[this.#line]) > this.columns) this.#fold();
    }
  }

  #fold(): void {
    const whole = this.lines[this.#line];
    this.lines[this.#line] = whole.slice(0, this.columns);
    this.#down();
    this.#take(whole.slice(this.columns));
  }

  #down(): void {
    this.#line += 1;
    this.#at = 0;
    if (this.#line === this.lines.length) this.lines.push('');
  }

  #obey(sequence: string): void {
    const count = Number(sequence.slice(2, -1) || 1); // of K, none counts as 1 here: what is right of the cursor
    switch (sequence.at(-1)) {
      case 'm':
        break;
      case 'A':
        // No further up than what can be seen.
        this.#line = Math.max(0, this.lines.length - this.rows, this.#line - count);
        break;
      case 'K':
        this.lines[this.#line] = count === 2 ? '' : this.lines[this.#line].slice(0, this.#at);
        break;
      default:
        throw new Error(`this terminal does not know ${JSON.stringify(sequence)}`);
    }
    // What is empty below the cursor cannot be seen.
    while (this.lines.length > this.#line + 1 && this.lines.at(-1) === '') this.lines.pop();
  }
}
