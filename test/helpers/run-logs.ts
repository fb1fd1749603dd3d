/** Logs of runs, to be compared. */
import { join } from 'node:path';
import { jsonLines } from './cli.ts';

/** What a log says of steps and epochs, without how long they took. */
export function loggedOf(folder: string): object[] {
  return jsonLines(join(folder, 'log.jsonl'))
    .filter((line) => !('event' in line))
    .map(({ seconds: _, ...line }) => line);
}
