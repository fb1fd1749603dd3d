/** Processes of workers that do not what they should. */
import t from 'tap';
import { WorkerProcess } from '../../../scripts/bench/worker-process.ts';
import { isAlive } from '../../helpers/process-ids.ts';

const job = { url: 'ws://127.0.0.1:1', name: 'worker 1', kernels: 'wasm' } as const;
const running = (script: string) => [process.execPath, '-e', script];

t.test('one that ends by itself says how, and what it said', async (t) => {
  const ended = new WorkerProcess(job, 'token', running('console.error("no kernels"); process.exit(3)'));
  const error = await ended.died;
  t.match(error, { code: 'WORKERS', message: 'worker 1 ended with exit code 3; it said: no kernels' });
  await ended.close();
});

t.test('it is told its job and the token', async (t) => {
  const script = 'console.error(process.argv[1], process.env.LOCKSTEP_TOKEN, process.argv.length)';
  const { message } = await new WorkerProcess(job, 'a token', running(script)).died;
  t.match(message, `it said: ${JSON.stringify(job)} a token 2`);
});

t.test('one that cannot be started says so', async (t) => {
  const none = new WorkerProcess(job, 'token', [`${t.testdir()}/nothing`]);
  t.match(await none.died, { code: 'WORKERS', message: /worker 1 cannot be started: .*ENOENT/ });
  await none.close();
});

t.test('one that does not end when it is told to is killed', async (t) => {
  const stubborn = new WorkerProcess(job, 'token', running('setInterval(() => {}, 1000)'));
  const { pid = 0 } = stubborn;
  t.ok(isAlive(pid));
  await stubborn.close();
  t.notOk(isAlive(pid));
  t.match(await stubborn.died, { message: 'worker 1 ended with SIGKILL' });
});

t.test('a worker that nobody answers says so, and one whose stdin ends, ends', async (t) => {
  const alone = new WorkerProcess(job, 'token');
  const { pid = 0 } = alone;
  t.ok(isAlive(pid));
  await alone.close();
  t.notOk(isAlive(pid));
  t.match(await alone.died, { message: 'worker 1 ended with exit code 0' });
});
