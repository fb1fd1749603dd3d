/**
 * Starts a program, ends as it does, and ends it once its own stdin ends: `node warden.js COMMAND ARGUMENT…`. Whoever started
 * the warden has gone then, in whatever way. The mpirun of Open MPI 4.1 may wait for itself for ever after its ranks
 * have ended (a lock in PMIx_server_finalize), so it is not enough that these end.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** To end in good order, with nothing left in the folder for temporary files. */
const partingMs = 2000;
/** As shells say it. */
const notFound = 127;
const bySignal = 128;

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
process.stderr.on('error', () => {}); // nobody reads it any more
child.once('error', (error) => {
  process.stderr.write(`${command} cannot be started: ${error.message}\n`);
  process.exitCode = notFound;
  process.stdin.destroy();
});
child.once('exit', (code, signal) =>
  process.exit(signal === null ? (code ?? 1) : bySignal + constants.signals[signal]),
);
process.stdin
  .once('close', () => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), partingMs);
  })
  .resume();
