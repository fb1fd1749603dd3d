/** The command line in a real pseudo-terminal, by `script` of util-linux. */
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { cleanEnvironment, program } from './cli.ts';
import { FakeTerminal } from './terminal.ts';

const deadlineMs = 60_000;

export interface Seen {
  readonly code: number | null;
  /** What stands there in the end. */
  readonly lines: readonly string[];
  readonly raw: string;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly columns: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Called once with a way to press keys, when this is on the screen. */
  readonly when?: { readonly shown: RegExp; readonly act: (press: (keys: string) => void) => void };
}

/** True where there is a `script` that gives back the exit code of what it runs. */
export function hasPseudoTerminal(): boolean {
  return spawnSync('script', ['-qec', 'exit 7', '/dev/null'], { stdio: 'ignore' }).status === 7;
}

/** Runs `lockstep` to its end, and looks at what it wrote as a terminal of so many columns shows it. */
export function lockstepInTerminal(args: readonly string[], options: TerminalOptions): Promise<Seen> {
  const { cwd, columns, environment = {}, when } = options;
  const words = [process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const command = `stty cols ${columns} rows 40; exec ${words.join(' ')}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd,
    env: { ...cleanEnvironment(), TERM: 'xterm-256color', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  });
  const terminal = new FakeTerminal(columns, true, 40);
  let isDone = false;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    terminal.write(text);
    if (isDone || when === undefined || !when.shown.test(terminal.lines.join('\n'))) return;
    isDone = true;
    when.act((keys) => child.stdin.write(keys));
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({
        code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        lines: terminal.lines,
        raw: terminal.raw,
      }),
    );
  });
}
