/** What a person sees: lines, and one line that is drawn again where there is a terminal. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;
  readonly #isTerminal: boolean;
  #status = '';

  /** @param stream stdout, or stderr where stdout is for JSON */
  constructor(stream: NodeJS.WriteStream, quiet: boolean) {
    this.#stream = stream;
    this.#quiet = quiet;
    this.#isTerminal = stream.isTTY === true && process.env.TERM !== 'dumb';
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
    return Math.max(20, this.#stream.columns ?? 80);
  }

  style(style: Style, text: string): string {
    return this.#isTerminal && !process.env.NO_COLOR
      ? styleText(style, text, { validateStream: false })
      : text;
  }

  line(text = ''): void {
    if (this.#quiet) return;
    this.aside(() => this.#stream.write(`${text}\n`));
  }

  /** Takes the line at the bottom away while something else is written. */
  aside(action: () => void): void {
    const status = this.#status;
    this.status('');
    action();
    this.status(status);
  }

  /** Replaces the line at the bottom; empty takes it away. */
  status(text: string): void {
    if (!this.isLive || text === this.#status) return;
    this.#stream.write(`\r\u001b[2K${text}`);
    this.#status = text;
  }
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
