/** A process that reads a checkpoint and says, as JSON, what became of it and by how many MiB its memory grew at most. */
import { readFileSync, writeFileSync } from 'node:fs';
import { decodeCheckpoint, encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { readRegularFile } from '../../shared/data/regular-file.ts';
import { LockstepError } from '../../shared/errors.ts';
import { sampleRun } from './run-states.ts';

export interface DecodeMemory {
  /** Null if it was read. */
  readonly refused: string | null;
  readonly grownMiB: number;
}

// Not the system's maxRSS: it begins with that of the process which started this one.
const peakMiB = (): number =>
  Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

/** What is compiled and loaded with the first ones does not count. */
for (let i = 0; i < 5; i++) {
  const { architecture, recipe, state } = sampleRun({ stopping: 'best' });
  decodeCheckpoint(Buffer.concat(encodeCheckpoint(architecture, recipe, state)), '');
}
writeFileSync('/proc/self/clear_refs', '5'); // the peak is what there is now
const before = peakMiB();
let refused: string | null = null;
try {
  decodeCheckpoint(readRegularFile(process.argv[2], 2 ** 32), '');
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  refused = error.message;
}
process.stdout.write(JSON.stringify({ refused, grownMiB: peakMiB() - before } satisfies DecodeMemory));
