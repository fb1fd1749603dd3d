/** Writes an mpirun that needs no MPI: it starts so many processes, tells each which it is, and ends with them. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const fakeRank = fileURLToPath(new URL('./fake-rank.js', import.meta.url));

const script = `#!${process.execPath}
import { spawn } from 'node:child_process';
const [, count, command, ...args] = process.argv.slice(2);
for (let rank = 0; rank < Number(count); rank++) {
  const env = { ...process.env, FAKE_RANK: String(rank) };
  spawn(command, args, { env, stdio: 'inherit', detached: true }).on('exit', (code, signal) => {
    if (signal !== null) console.error('rank ' + rank + ' was ended by ' + signal);
    process.exitCode ||= signal === null ? code : 9;
  });
}`;

/** @returns the file; what tap loads into programs wants a name that says what it is. */
export function writeFakeMpirun(folder: string): string {
  const file = join(folder, 'mpirun.mjs');
  writeFileSync(file, script);
  chmodSync(file, 0o755);
  return file;
}
