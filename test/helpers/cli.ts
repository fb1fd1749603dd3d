/** The compiled command line as a child process, as a shell would run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

/** This file runs from dist/test/helpers. */
export const program = fileURLToPath(new URL('../../scripts/cli.js', import.meta.url));

const deadlineMs = 60_000;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** A folder of its own by default. */
  readonly cwd: string;
  /** Variables beside PATH and the like. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A file for stdout to go to. */
  readonly stdout?: string;
  /** Called with the process while it runs. */
  readonly during?: (child: ChildProcess) => void;
}

/** Runs `lockstep` with arguments to its end; after a minute it is killed, and that is no pass. */
export function lockstep(args: readonly string[], options: RunOptions): Promise<Finished> {
  const { cwd, environment = {}, during } = options;
  const output = options.stdout === undefined ? null : openSync(options.stdout, 'w');
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { ...cleanEnvironment(), ...environment },
    stdio: ['ignore', output ?? 'pipe', 'pipe'],
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  });
  if (output !== null) closeSync(output);
  const read = (stream: NodeJS.ReadableStream | null) => {
    const chunks: Buffer[] = [];
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString('utf8');
  };
  const stdout = read(child.stdout);
  const stderr = read(child.stderr);
  during?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }));
  });
}

/** What of the environment a program needs; coverage too. No LOCKSTEP_ variable, no terminal's width or colours. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot', 'NODE_V8_COVERAGE'];
  return Object.fromEntries(kept.flatMap((name) => (name in process.env ? [[name, process.env[name]]] : [])));
}

/** Calls back once, as soon as a stream has shown this text. */
export function whenShown(stream: NodeJS.ReadableStream | null, text: string, action: () => void): void {
  let seen = '';
  const look = (chunk: Buffer) => {
    seen += chunk.toString('utf8');
    if (!seen.includes(text)) return;
    stream?.off('data', look);
    action();
  };
  stream?.on('data', look);
}

/** The last line of stdout as JSON. */
export function jsonOf({ stdout }: Finished): Record<string, unknown> {
  const parsed: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error(`no object: ${stdout}`);
  return parsed as Record<string, unknown>;
}

/** The objects of a file of JSON lines. */
export function jsonLines(path: string): Record<string, unknown>[] {
  const text = readFileSync(path, 'utf8');
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** All files and folders below a folder, hidden ones too, as sorted relative paths. */
export function everythingBelow(folder: string): string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return paths.map((path) => path.replaceAll('\\', '/')).sort();
}

/** Runs a task for each of some items, a few at a time, and gives the results in order. */
export async function inParallel<T, R>(
  items: readonly T[],
  task: (item: T, index: number) => Promise<R>,
  atOnce = 3,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await task(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

/** A command line that is to be refused, and with what. */
export interface BadCase {
  readonly args: readonly string[];
  readonly code: 1 | 2;
  readonly says: RegExp;
  readonly environment?: Readonly<Record<string, string>>;
  /** Puts files into the working folder beforehand; gives more arguments. */
  readonly prepare?: (folder: string) => void;
}

/**
 * Holds that each is refused with its exit code, a single line on stderr and nothing on stdout, and that
 * nothing is left behind in the working folder.
 */
export async function holdRefused(t: Test, cases: Readonly<Record<string, BadCase>>): Promise<void> {
  const base = t.testdir();
  const finished = await inParallel(Object.entries(cases), async ([name, bad], index) => {
    const cwd = mkdtempSync(join(base, `${index}-`));
    bad.prepare?.(cwd);
    const before = everythingBelow(cwd);
    const { args, environment = {} } = bad;
    const result = await lockstep(args, { cwd, environment });
    return { name, bad, result, before, after: everythingBelow(cwd) };
  });
  for (const { name, bad, result, before, after } of finished) {
    const { code, stderr, stdout } = result;
    t.equal(code, bad.code, `${name}: exit code ${bad.code}`);
    t.match(stderr, bad.says, `${name}: ${JSON.stringify(stderr.trimEnd())}`);
    t.match(stderr, /^lockstep: [^\n]+\n$/, `${name}: one line`);
    t.notMatch(stderr.trimEnd(), /\p{Cc}/u, `${name}: no control characters`);
    t.equal(stdout, '', `${name}: nothing on stdout`);
    t.strictSame(after, before, `${name}: nothing is left behind`);
  }
}
