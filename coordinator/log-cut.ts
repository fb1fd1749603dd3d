/** Cuts the log of a run back to where the run goes on, so that it becomes the log of a run that was never stopped. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { openRegularFile, shownPath } from '../shared/data/regular-file.ts';
import { dataError, reasonOf } from '../shared/errors.ts';
import { writeWhole } from './durable-file.ts';

/** What a log tells of, up to its last line: steps since the run began, and epochs that are done. */
export interface LogEnd {
  readonly steps: number;
  readonly epochs: number;
}

interface Line {
  /** Where it begins in the file, and where the next one does. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const blockBytes = 65_536;
/** No line of ours comes near it. */
const longestLine = 2 ** 20;

/**
 * Takes away the lines of steps and epochs that will be done again, a last line that is torn, and what is no line of a
 * log. Events behind them stay: they happened. Returns what the log tells of then.
 * @param path of a regular file
 * @throws Error when it cannot be read or written, or is no log at all
 */
export function cutLog(path: string, done: LogEnd): LogEnd {
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    const events: string[] = [];
    let end: LogEnd = { steps: 0, epochs: 0 };
    let keptBytes = 0;
    for (const line of linesFromEnd(file, size)) {
      const parsed = parse(line.text);
      if (parsed === null) continue;
      if (parsed === 'event') {
        events.unshift(`${line.text}\n`);
        continue;
      }
      if (parsed.steps > done.steps || parsed.epochs > done.epochs) continue;
      end = parsed;
      keptBytes = line.end;
      break;
    }
    const kept = Buffer.from(events.join(''));
    if (keptBytes + kept.length === size) return end;
    ftruncateSync(file, keptBytes);
    writeWhole(file, kept, keptBytes);
    return end;
  } finally {
    closeSync(file);
  }
}

/**
 * The lines of a log of any size, the last one first; a last one that is torn is none.
 * @throws LockstepError (DATA) when it cannot be read, or is no log at all
 */
export function* logLines(path: string): Generator<string> {
  const { fd, sizeBytes } = openRegularFile(path);
  try {
    for (const { text } of linesFromEnd(fd, sizeBytes)) yield text;
  } catch (error) {
    throw dataError(`${shownPath(path)}: ${reasonOf(error)}; expected the log of a run`, error);
  } finally {
    closeSync(fd);
  }
}

/** What is done where a line stands; null if it is none. */
function parse(text: string): LogEnd | 'event' | null {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof line !== 'object' || line === null) return null;
  if ('event' in line) return 'event';
  const { epoch, step, steps } = line as Record<string, unknown>;
  if (!Number.isSafeInteger(epoch)) return null;
  if (Number.isSafeInteger(step)) return { steps: Number(step), epochs: Number(epoch) - 1 };
  return Number.isSafeInteger(steps) ? { steps: Number(steps), epochs: Number(epoch) } : null;
}

/** The lines of a file, the last one first; what stands behind the last line feed is none. */
function* linesFromEnd(file: number, size: number): Generator<Line> {
  // From `at` on; begins in the middle of a line, unless it is the file's beginning.
  let buffer = Buffer.alloc(0);
  let end: number | null = null;
  for (let at = size; at > 0; ) {
    const block = Buffer.alloc(Math.min(blockBytes, at));
    at -= block.length;
    for (let filled = 0; filled < block.length; ) {
      const count = readSync(file, block, filled, block.length - filled, at + filled);
      if (count === 0) throw new Error('it became shorter while it was read');
      filled += count;
    }
    buffer = Buffer.concat([block, buffer]);
    for (let feed = buffer.lastIndexOf(10); feed >= 0; feed = buffer.lastIndexOf(10, buffer.length - 1)) {
      if (end !== null) {
        yield { start: at + feed + 1, end, text: buffer.toString('utf8', feed + 1) };
      }
      end = at + feed + 1;
      buffer = buffer.subarray(0, feed);
    }
    if (buffer.length > longestLine) throw new Error('it is no log of a run');
  }
  if (end !== null) yield { start: 0, end, text: buffer.toString('utf8') };
}
