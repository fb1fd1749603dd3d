/** What the batch files of Slurm make of how their tasks ended; the commands of Slurm are stand-ins. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { hasSignals } from '../../helpers/platform.ts';

const scripts = fileURLToPath(new URL('../../../../scripts/deploy/slurm/', import.meta.url));

interface Job {
  /** What srun does, in bash. */
  readonly srun: string;
  readonly isDone?: boolean;
  readonly state?: string;
  /** Sent to the script as soon as srun has said something. */
  readonly signal?: NodeJS.Signals;
}

/** Runs a batch file; its exit code, and whether it asked to be queued again. */
async function endOf(t: Test, name: string, { srun, isDone = false, state = 'RUNNING', signal }: Job) {
  const folder = t.testdir({ run: isDone ? { 'model.safetensors': '' } : {}, bin: {} });
  const commands = { srun, squeue: `echo ${state}`, scontrol: 'echo "$@"' };
  for (const [command, body] of Object.entries(commands)) {
    const file = join(folder, 'bin', command);
    writeFileSync(file, `#!/bin/bash\n${body}\n`);
    chmodSync(file, 0o755);
  }
  const PATH = [join(folder, 'bin'), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH, SLURM_JOB_ID: '7', RUN: join(folder, 'run') };
  // A group of its own: whatever a job leaves behind would hold what this test prints to open for ever.
  const child = spawn('bash', [join(scripts, name)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const deadline = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 20_000);
  let text = '';
  child.stdout.on('data', (chunk) => {
    if (text === '' && signal !== undefined) child.kill(signal);
    text += chunk;
  });
  const [code] = await once(child, 'close');
  clearTimeout(deadline);
  return { code, isQueued: /^requeue 7$/m.test(text) };
}

t.test('over WebSockets a job is queued again where a task says that the time is up', async (t) => {
  if (!hasSignals(t)) return;
  const end = (srun: string, more: Partial<Job> = {}) => endOf(t, 'websocket.sbatch', { srun, ...more });
  t.same(await end('exit 140'), { code: 0, isQueued: true });
  t.same(
    await end('exit 143'),
    { code: 0, isQueued: true },
    'a task ended by SIGTERM hides the 140 of others',
  );
  t.same(await end('exit 143', { state: 'COMPLETING' }), { code: 143, isQueued: false }, 'cancelled');
  t.same(await end('exit 137'), { code: 137, isQueued: false });
  t.same(await end('exit 2'), { code: 2, isQueued: false });
  t.same(await end('exit 0'), { code: 0, isQueued: false });
});

t.test('over WebSockets a run that has its model is done, whoever died', async (t) => {
  if (!hasSignals(t)) return;
  for (const status of [1, 137, 140, 143]) {
    const end = await endOf(t, 'websocket.sbatch', { srun: `exit ${status}`, isDone: true });
    t.same(end, { code: 0, isQueued: false }, String(status));
  }
  t.same(await endOf(t, 'websocket.sbatch', { srun: 'exit 2', isDone: true }), { code: 2, isQueued: false });
});

t.test('over MPI what counts is how the ranks ended, not the wait that the signal ended', async (t) => {
  if (!hasSignals(t)) return;
  const until = (status: number) => `trap 'exit ${status}' USR2; echo ready; while :; do sleep 0.01; done`;
  for (const status of [0, 1, 137]) {
    const end = await endOf(t, 'mpi.sbatch', { srun: until(status), signal: 'SIGUSR2' });
    t.same(end, { code: status, isQueued: false }, String(status));
  }
  for (const status of [140, 143]) {
    const end = await endOf(t, 'mpi.sbatch', { srun: until(status), signal: 'SIGUSR2' });
    t.same(end, { code: 0, isQueued: true }, String(status));
  }
  t.same(await endOf(t, 'mpi.sbatch', { srun: 'exit 140' }), { code: 140, isQueued: false });
});
