/** Reads the log of a run from its beginning, however long it is. */
import { closeSync } from 'node:fs';
import { openRegularFile, readAt, shownPath } from '../shared/data/regular-file.ts';
import { dataError } from '../shared/errors.ts';

export interface LogLine {
  readonly text: string;
  /** False for a last line behind which there is no line feed: whoever wrote it may not have come to its end. */
  readonly isEnded: boolean;
}

const blockBytes = 65_536;
/** No line of ours comes near it. */
const longestLine = 2 ** 20;

/**
 * The lines of a log in order, as far as it goes when it is opened.
 * @throws LockstepError (DATA) when it is no regular file, cannot be read, or has a line that is too long for a log
 */
export function* logLinesInOrder(path: string): Generator<LogLine> {
  const file = openRegularFile(path);
  try {
    // What is left of a line whose end has not come yet.
    let rest = Buffer.alloc(0);
    for (let at = 0; at < file.sizeBytes; ) {
      const block = Buffer.alloc(Math.min(blockBytes, file.sizeBytes - at));
      const count = readAt(file, block, 0, block.length, at);
      if (count === 0) break;
      at += count;
      const buffer = Buffer.concat([rest, block.subarray(0, count)]);
      let start = 0;
      for (let feed = buffer.indexOf(10); feed >= 0; feed = buffer.indexOf(10, start)) {
        yield { text: buffer.toString('utf8', start, feed), isEnded: true };
        start = feed + 1;
      }
      if (buffer.length - start > longestLine) {
        throw dataError(
          `${shownPath(path)}: a line of more than ${longestLine} bytes; expected the log of a run`,
        );
      }
      rest = Buffer.from(buffer.subarray(start));
    }
    if (rest.length > 0) yield { text: rest.toString('utf8'), isEnded: false };
  } finally {
    closeSync(file.fd);
  }
}
