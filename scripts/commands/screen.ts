/** What a person sees: lines, and below them a block of lines that is drawn again where there is a terminal. */
import { styleText } from 'node:util';
import { clipped, columnsOf, padded } from '../text-width.ts';
import { TerminalWriter } from './terminal-writer.ts';
import { wrapped } from './wrap.ts';

type Style = Parameters<typeof styleText>[0];

/** A block that moves is drawn ten times a second at most: eight by the clock, and below two of the lines in between. */
const turnMs = 125;
const mostBelowLines = 2;
/** The terminal itself adds ^C behind the block when it is pressed. */
const columnsForSignal = 3;
// Line by line: some terminals keep what is cleared with the whole screen.
const clearLine = '\u001b[2K';
const clearRight = '\u001b[K';

export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;
  readonly #isTerminal: boolean;
  /** Where the terminal can be written to without waiting for it. */
  readonly #writer: TerminalWriter | null;
  /** The block as it should be, and as it was drawn last, line by line. */
  #block: readonly string[] = [];
  #drawn: readonly string[] = [];
  /** The block where it is animated. */
  #animation: (() => readonly string[]) | null = null;
  /** When it was drawn below a line the last times. */
  #lineMs: readonly number[] = [];

  /** @param stream stdout, or stderr where stdout is for JSON */
  constructor(stream: NodeJS.WriteStream, quiet: boolean) {
    this.#stream = stream;
    this.#quiet = quiet;
    this.#isTerminal = stream.isTTY === true && process.env.TERM !== 'dumb';
    this.#writer = this.isLive ? TerminalWriter.behind(stream) : null;
  }

  /** True where somebody may be looking. */
  get isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** True where a line can be drawn again. */
  get isLive(): boolean {
    return this.#isTerminal && !this.#quiet;
  }

  get columns(): number {
    return Math.max(20, this.#columns);
  }

  /** Columns that a line of the block may take, and lines that it may have. */
  get room(): { readonly columns: number; readonly lines: number } {
    return {
      columns: Math.max(1, this.#columns - columnsForSignal),
      lines: Math.max(1, (this.#stream.rows || 24) - 1),
    };
  }

  /** A terminal that does not know its size says 0, or nothing. */
  get #columns(): number {
    return this.#stream.columns || 80;
  }

  style(style: Style, text: string): string {
    return this.#isTerminal && !process.env.NO_COLOR
      ? styleText(style, text, { validateStream: false })
      : text;
  }

  line(text = ''): void {
    if (this.#quiet) return;
    this.#write(`${text}\n`, this.#animation === null ? this.#block : this.#blockBelowLine(this.#animation));
  }

  /** Below too many lines a block is not drawn before its next turn. */
  #blockBelowLine(block: () => readonly string[]): readonly string[] {
    const nowMs = performance.now();
    if (this.#lineMs.length === mostBelowLines && nowMs - this.#lineMs[0] < 1000) return [];
    const lines = block();
    if (lines.length > 0) this.#lineMs = [...this.#lineMs, nowMs].slice(-mostBelowLines);
    return lines;
  }

  /** Words behind a title; on a terminal in as many lines as they need, below each other. */
  text(words: string, title = ''): void {
    const lines = this.#isTerminal ? wrapped(words, this.columns - columnsOf(title)) : [words];
    for (const [i, line] of lines.entries())
      this.line((i === 0 ? title : padded('', columnsOf(title))) + line);
  }

  /** Takes the block away while something else is written. */
  aside(action: () => void): void {
    const block = this.#block;
    this.block([]);
    action();
    this.block(block);
  }

  /** Replaces the block by one line; an empty one takes it away. */
  status(text: string): void {
    this.block(text === '' ? [] : [text]);
  }

  /** Replaces the block, as far as there is room for it; no lines take it away. */
  block(lines: readonly string[]): void {
    if (this.isLive) this.#write('', lines);
  }

  /**
   * Draws a block again and again until what is returned is called, which takes it away. Without a terminal nothing
   * happens, as nobody would see it.
   */
  animate(block: () => readonly string[]): () => void {
    if (!this.isLive) return () => {};
    this.#animation = block;
    const timer = setInterval(() => {
      // Nobody may be there to read it, and then the last one is as good.
      if (!this.#writer?.isHeldUp) this.block(block());
    }, turnMs);
    // Back from ^Z, the cursor is below what the shell has written meanwhile.
    const forget = () => {
      this.#drawn = [];
    };
    process.on('SIGCONT', forget);
    return () => {
      clearInterval(timer);
      process.off('SIGCONT', forget);
      this.#animation = null;
      this.block([]);
    };
  }

  /** Takes the block away, writes a text and draws the block below it; without a text it is drawn over the last one. */
  #write(text: string, block: readonly string[]): void {
    const { columns, lines: most } = this.room;
    const shown = block.slice(0, most).map((line) => clipped(line, columns));
    const rows = this.#rows();
    this.#block = block;
    if (text === '' && rows === this.#drawn.length && shown.join('\n') === this.#drawn.join('\n')) return;
    const isOver = text === '' && rows <= shown.length;
    const start = rows === 0 ? '' : isOver ? `\r${upwards(rows - 1)}` : erased(rows);
    this.#drawn = shown;
    // In one write, so that nothing flickers.
    (this.#writer ?? this.#stream).write(start + text + shown.map((line) => line + clearRight).join('\n'));
  }

  /** Rows that the block takes on the terminal now: what is wider than that was folded by it. */
  #rows(): number {
    return this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / this.#columns)),
      0,
    );
  }
}

/** Clears so many rows from the last one up. */
function erased(rows: number): string {
  return `\r${`${clearLine}${upwards(1)}`.repeat(rows - 1)}${clearLine}`;
}

function upwards(rows: number): string {
  return rows > 0 ? `\u001b[${rows}A` : '';
}

/** What went wrong, in one line on stderr. */
export function showError(error: Error): void {
  showNote(error.message);
}

/** What has to be known also where nothing else is shown, in one line on stderr. */
export function showNote(line: string): void {
  process.stderr.write(`lockstep: ${line}\n`);
}

/** `1:05`, `2:03:10`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** 60000 → `60,000`. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1 round`, `1,000 rounds`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
