/** The log of a run as tables: comma-separated values (RFC 4180), one table of its steps and one of its epochs. */
import type { LogLine } from '../coordinator/log-lines.ts';

/** The columns of each table, by the fields of the log's lines. All are numbers. */
const columns = {
  steps: ['epoch', 'step', 'samples', 'loss', 'accuracy', 'seconds'],
  epochs: ['epoch', 'steps', 'loss', 'testLoss', 'testAccuracy', 'seconds'],
} as const;

export type LogTable = keyof typeof columns;

/** What was read on the way. */
export interface LogCount {
  /** Lines of steps, epochs and events. */
  known: number;
  /** Lines that are none of a log. */
  strange: number;
  /** Whether the last line was cut off. */
  isTorn: boolean;
}

/**
 * The rows of a table, its header first, each with its line end. Events are left out.
 * @param count counted on while rows are taken
 */
export function* csvRows(lines: Iterable<LogLine>, table: LogTable, count: LogCount): Generator<string> {
  yield rowOf(columns[table]);
  for (const { text, isEnded } of lines) {
    const line = parse(text);
    if (line === null && !isEnded) count.isTorn = true;
    else if (line === null) count.strange += 1;
    else {
      count.known += 1;
      if (line.table === table) yield rowOf(columns[table].map((name) => line.fields[name]));
    }
  }
}

interface Parsed {
  readonly table: LogTable | 'events';
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Null for what is no line of a log. */
function parse(text: string): Parsed | null {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof fields !== 'object' || fields === null) return null;
  if ('event' in fields) return { table: 'events', fields: {} };
  const table = 'step' in fields ? 'steps' : 'steps' in fields ? 'epochs' : null;
  if (table === null) return null;
  const own: Record<string, unknown> = { ...fields };
  const isWhole = columns[table].every((name) => ['number', 'undefined'].includes(typeof own[name]));
  return isWhole ? { table, fields: own } : null;
}

/** A number is written as the log has it; a field that an older log lacks is left empty. */
function rowOf(cells: readonly unknown[]): string {
  return `${cells.map((cell) => (cell === undefined ? '' : String(cell))).join(',')}\r\n`;
}
