/** `lockstep inspect RUN --csv`: the log of a run as comma-separated values, however long it is. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { logLinesInOrder } from '../../coordinator/log-lines.ts';
import { shownPath } from '../../shared/data/regular-file.ts';
import { dataError, usageError } from '../../shared/errors.ts';
import { csvRows, type LogCount, type LogTable } from '../log-table.ts';
import { isFolder } from '../model-path.ts';
import { runFiles } from '../run-keeper.ts';
import type { FlagValues } from './flag-values.ts';
import { showNote } from './screen.ts';

const tableFlags = { csv: 'steps', 'csv-epochs': 'epochs' } as const satisfies Record<string, LogTable>;

/** Rows that are written at a time. */
const blockRows = 1000;

/** The table that flags ask for, or null. @throws LockstepError (USAGE) when they ask for something beside it */
export function csvTable(flags: FlagValues): LogTable | null {
  const asked = (['csv', 'csv-epochs', 'json'] as const).filter((name) => flags.isOn(name));
  const typed = asked.filter((name) => flags.isOnCommandLine(name));
  const [flag, other] = typed.length > 0 ? typed : asked;
  if (flag === undefined || flag === 'json') return null;
  if (other === undefined) return tableFlags[flag];
  throw usageError(
    `${flags.label(other)}: got it together with ${flags.label(flag)}, expected one of the two`,
  );
}

/**
 * Writes a table of a run's log to stdout, and returns the exit code. A reader that goes away ends it.
 * @param path a run folder, or a log
 * @throws LockstepError (USAGE) when there is none, (DATA) when it is no log
 */
export async function showCsv(path: string, table: LogTable): Promise<number> {
  const log = logOf(path);
  const count: LogCount = { known: 0, strange: 0, isTorn: false };
  let block: string[] = [];
  for (const row of csvRows(logLinesInOrder(log), table, count)) {
    // Of a file that is no log there is no second row, so nothing of it is shown.
    if (block.push(row) < blockRows) continue;
    if (!(await written(block.join('')))) return 0;
    block = [];
  }
  if (count.known === 0 && (count.strange > 0 || count.isTorn)) {
    throw dataError(`${shownPath(log)}: no line of it is one of a log; expected the log of a run`);
  }
  await written(block.join(''));
  if (count.isTorn) showNote(`${shownPath(log)}: its last line is cut off and was left out`);
  if (count.strange > 0) {
    showNote(`${shownPath(log)}: ${count.strange} of its lines are none of a log and were left out`);
  }
  return 0;
}

function logOf(path: string): string {
  const log = isFolder(path) ? join(path, runFiles.log) : path;
  if (existsSync(log)) return log;
  throw usageError(
    `inspect: there is no ${shownPath(log)}, expected the folder of a run with its log, or a log itself`,
  );
}

/** Waits until stdout has taken a text; false if nobody reads it any more. What else went wrong is said where stdout is watched. */
function written(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => resolve(error === null || error === undefined));
  });
}
