/** Ranks and the program that has them started: questions, failures at either end, and that nobody is left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { RankJob, type RankJobLimits } from '../../../scripts/ranks/rank-job.ts';
import { fakeRank, writeFakeMpirun } from '../../helpers/fake-mpirun.ts';
import type { FakeTask } from '../../helpers/fake-rank.ts';
import { hasSignals } from '../../helpers/platform.ts';
import { isAlive, survivorsOf } from '../../helpers/process-ids.ts';

t.setTimeout(120_000);

const patientMs = 30_000;
const start = (t: Test, task: FakeTask = {}, limits: Partial<RankJobLimits> = {}) =>
  RankJob.start({ mpirun: writeFakeMpirun(t.testdir()), ranks: 3, script: fakeRank, task, limits });

t.test('all ranks answer each question, and none is left once the job is closed', async (t) => {
  if (!hasSignals(t)) return;
  const job = await start(t);
  t.equal(new Set([...job.pids, process.pid]).size, 4, 'in processes of their own');
  for (const word of ['one', 'two']) {
    const answers = await job.ask({ word }, patientMs);
    t.same(
      answers,
      [0, 1, 2].map((rank) => ({ rank, question: { word } })),
    );
  }
  t.ok(job.pids.every(isAlive));
  await job.close();
  t.same(await survivorsOf(job.pids), []);
  await job.close();
});

t.test('what a rank throws is thrown here', async (t) => {
  if (!hasSignals(t)) return;
  const starting = start(t, { wrong: { rank: 1, how: 'throws' } });
  await t.rejects(starting, { code: 'DATA', message: 'rank 1 has other data' });
});

t.test('a rank that does not get ready is an error, and ends all', async (t) => {
  if (!hasSignals(t)) return;
  const starting = start(t, { wrong: { rank: 2, how: 'silent' } }, { startMs: 3000 });
  await t.rejects(starting, {
    code: 'MPI',
    message: /^mpirun of 3 ranks: got nothing for 3000 ms, expected \d of them ready/,
  });
});

t.test('a rank that dies is an error, and the others end', async (t) => {
  if (!hasSignals(t)) return;
  // The fake goes on with the others until they are killed; a real one ends them.
  const job = await start(t, { wrong: { rank: 0, how: 'dies when asked' } });
  await t.rejects(job.ask({ word: 'one' }, 2000), {
    code: 'MPI',
    message: /got nothing for 2000 ms, expected an answer of 1 of them; it said: rank 0 was ended by SIGKILL/,
  });
  await job.close();
  t.same(await survivorsOf(job.pids), []);
});

t.test('an mpirun that fails is an error with the last that it said', async (t) => {
  const failing = (mpirun: string) => RankJob.start({ mpirun, ranks: 2, script: fakeRank, task: {} });
  await t.rejects(failing('/no/such/mpirun'), {
    code: 'MPI',
    message: /^mpirun of 2 ranks ended with exit code 127; it said: .* cannot be started: .*ENOENT/,
  });
  if (!hasSignals(t)) return;
  // Node takes `-n` for an option that it has not got.
  await t.rejects(failing(process.execPath), {
    code: 'MPI',
    message: /^mpirun of 2 ranks ended with exit code 9; it said: .*-n/,
  });
});

t.test('no rank outlives the program that had it started, however that ends', async (t) => {
  if (!hasSignals(t)) return;
  const program = fileURLToPath(new URL('../../helpers/rank-job-process.js', import.meta.url));
  const child = spawn(process.execPath, [program, writeFakeMpirun(t.testdir()), fakeRank, '2', '{}'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const pids = JSON.parse(line) as number[];
  t.equal(pids.length, 2);
  t.ok(pids.every(isAlive));
  child.kill('SIGKILL');
  await ended;
  t.same(await survivorsOf(pids), []);
});
