/** `train --transport websocket`: ranks that mpirun or a torchrun by hand started come to the bits of one process. */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import t, { type Test } from 'tap';
import { newIdentity } from '../helpers/certificates.ts';
import {
  cleanEnvironment,
  type Finished,
  holdRefused,
  jsonOf,
  lockstep,
  program,
  whenShown,
} from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { childrenWhen, showsChildren, survivorsOf } from '../helpers/process-ids.ts';
import { freePort, type Rank, startRank, startRanks } from '../helpers/ranks.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(300_000);

const base = t.testdir();
const data = writeTinyData(join(base, 'data'));
const LOCKSTEP_TOKEN = randomBytes(16).toString('hex');
const environment = { LOCKSTEP_TOKEN, XDG_STATE_HOME: join(base, 'state') };
/** Four shards a step, so that there is something for every rank. */
const recipe = (epochs: number) => [
  ...tinyRecipe,
  ...['--data', data, '--shard-size', '4', '--epochs', String(epochs)],
];
const websocket = ['--transport', 'websocket', '--json'];
const whole = async (epochs: number) => {
  const run = `whole ${epochs}`;
  const done = await lockstep(['train', ...recipe(epochs), '--run', run, '--json'], { cwd: base });
  const { weightsDigest, stateDigest, chain } = jsonOf(done);
  return { digests: { weightsDigest, stateDigest, chain }, folder: join(base, run) };
};
const short = await whole(5);
const medium = await whole(100);
const long = await whole(150);

const codesOf = async (ranks: readonly Rank[]) =>
  (await Promise.all(ranks.map(({ finished }) => finished))).map(({ code }) => code);

/** Resolves once a rank's stderr has shown this text, or the rank is over. */
async function shown({ child, finished }: Rank, text: string): Promise<void> {
  await Promise.race([new Promise<void>((resolve) => whenShown(child.stderr, text, resolve)), finished]);
}

t.test(
  'three ranks come to the bits of one process, rank 0 computes, too, and only it shows and writes',
  async (t) => {
    const cwd = t.testdir();
    const options = { cwd, size: 3, port: await freePort(), environment };
    const ranks = startRanks(['train', ...recipe(5), ...websocket, '--run', 'run'], options);
    const [first, ...others] = await Promise.all(ranks.map(({ finished }) => finished));
    t.equal(first.code, 0, first.stderr.slice(-300));
    t.match(first.stderr, /^rank 0 of 3, found by torchrun \(RANK, WORLD_SIZE\)$/m);
    const summary = jsonOf(first);
    t.match(summary, { ...short.digests, workers: 2, joins: 2, deaths: 0 });
    const work = summary.work as { name: string; shards: number }[];
    t.match(work.map(({ name }) => name).toSorted(), [/^rank 1 on /, /^rank 2 on /, 'this process']);
    t.ok(
      work.every(({ shards }) => shards > 0),
      JSON.stringify(work),
    );
    for (const { code, stdout, stderr } of others) {
      t.equal(code, 0);
      t.equal(stdout, '');
      t.equal(stderr, '');
    }
    t.strictSame(loggedOf(join(cwd, 'run')), loggedOf(short.folder), 'the log is that of one process');
  },
);

/** Whoever of this machine is first at the port of rank 0; keeps the bytes that it is sent, or what was in its TLS. */
async function squatter(t: Test, isSecure: boolean): Promise<{ port: number; seen: Buffer[] }> {
  const seen: Buffer[] = [];
  const take = (socket: Socket) => {
    socket.on('error', () => {}); // the worker may leave as it likes
    socket.on('data', (data) => {
      seen.push(data);
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  };
  const listener = isSecure ? createTls(await newIdentity(), take) : createServer(take);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  return { port: (listener.address() as AddressInfo).port, seen };
}

t.test('on loopback, too, who takes the port before rank 0 learns no token', async (t) => {
  for (const isSecure of [false, true]) {
    const { port, seen } = await squatter(t, isSecure);
    const args = ['train', ...recipe(5), ...websocket, '--no-run'];
    const options = { cwd: t.testdir(), size: 2, port, environment };
    const { code, stderr } = await startRank(1, args, options).finished;
    t.equal(code, 1);
    t.match(stderr, isSecure ? /who shows it does not know the token/ : /does not speak TLS/);
    t.notMatch(stderr, LOCKSTEP_TOKEN);
    const sent = Buffer.concat(seen).toString('latin1');
    t.ok(sent.length > 0, 'it was met');
    t.notMatch(sent, LOCKSTEP_TOKEN);
    t.ok(
      sent.startsWith(isSecure ? 'GET /vouch HTTP/1.1\r\n' : '\x16\x03'),
      'it was asked for a proof at most',
    );
    t.notMatch(sent, /authorization/i);
  }
});

t.test('with --insecure a short token will do, and nothing is encrypted', async (t) => {
  const weak = { ...environment, LOCKSTEP_TOKEN: 'changeme' };
  const options = { cwd: t.testdir(), size: 2, port: await freePort(), environment: weak };
  const args = ['train', ...recipe(5), ...websocket, '--no-run', '--insecure'];
  const [first, second] = await Promise.all(startRanks(args, options).map(({ finished }) => finished));
  t.equal(first.code, 0, first.stderr.slice(-300));
  t.match(first.stderr, /ws:\/\/127/);
  t.match(jsonOf(first), short.digests);
  t.equal(second.code, 0, second.stderr);
});

t.test('ranks meet under TLS, and need nothing but the token', async (t) => {
  const port = await freePort();
  const options = {
    cwd: t.testdir(),
    size: 2,
    port,
    environment: { ...environment, XDG_STATE_HOME: t.testdir() },
  };
  const args = ['train', ...recipe(5), ...websocket, '--no-run', '--listen', `0.0.0.0:${port}`];
  const [first, second] = await Promise.all(startRanks(args, options).map(({ finished }) => finished));
  t.equal(first.code, 0, first.stderr.slice(-300));
  t.match(first.stderr, /wss:.*--fingerprint sha256:/s);
  t.match(jsonOf(first), { ...short.digests, workers: 1 });
  t.equal(second.code, 0, second.stderr);
});

t.test('a rank with another token is told so, and the others go on once its place is taken', async (t) => {
  const port = await freePort();
  const listen = ['--listen', `0.0.0.0:${port}`];
  const secret = { XDG_STATE_HOME: t.testdir() };
  const options = { cwd: t.testdir(), size: 2, port, environment: { ...environment, ...secret } };
  const args = ['train', ...recipe(5), ...websocket, '--no-run', ...listen];
  const first = startRank(0, args, options);
  await shown(first, 'waiting for 1 more worker');
  const wrong = { ...options, environment: { LOCKSTEP_TOKEN: randomBytes(16).toString('hex') } };
  const refused = await startRank(1, args, wrong).finished;
  t.equal(refused.code, 1);
  t.match(
    refused.stderr,
    /^lockstep: rank 1: coordinator 127\.0\.0\.1:\d+: its certificate is not trusted here: who shows it does not know the token; [^\n]+\n$/,
  );
  t.notMatch(refused.stderr, LOCKSTEP_TOKEN);
  t.equal((await startRank(1, args, options).finished).code, 0);
  t.match(jsonOf(await first.finished), short.digests);
});

t.test('a rank that is killed costs nothing but its share', async (t) => {
  if (!hasSignals(t)) return;
  const options = { cwd: t.testdir(), size: 3, port: await freePort(), environment };
  const [first, victim, other] = startRanks(['train', ...recipe(150), ...websocket, '--no-run'], options);
  await shown(first, 'epoch   2/150');
  victim.child.kill('SIGKILL');
  t.equal((await victim.finished).signal, 'SIGKILL');
  const finished = await first.finished;
  t.equal(finished.code, 0, finished.stderr.slice(-300));
  t.match(jsonOf(finished), { ...long.digests, deaths: 1, joins: 2 });
  t.equal((await other.finished).code, 0);
});

t.test('a rank that was killed comes back when it is started again', async (t) => {
  if (!hasSignals(t)) return;
  const options = { cwd: t.testdir(), size: 3, port: await freePort(), environment };
  const args = ['train', ...recipe(150), ...websocket, '--no-run', '--min-workers', '2'];
  const [first, victim, other] = startRanks(args, options);
  await shown(first, 'epoch   2/150');
  victim.child.kill('SIGKILL');
  t.equal((await victim.finished).signal, 'SIGKILL');
  const again = startRank(1, args, options);
  const finished = await first.finished;
  t.equal(finished.code, 0, finished.stderr.slice(-300));
  t.match(jsonOf(finished), { ...long.digests, deaths: 1, joins: 3 });
  t.same(await codesOf([other, again]), [0, 0]);
});

t.test(
  'rank 0 that is killed goes on by the same command line, and the others come back by themselves',
  async (t) => {
    if (!hasSignals(t)) return;
    const cwd = t.testdir();
    const options = { cwd, size: 3, port: await freePort(), environment };
    const args = [
      'train',
      ...recipe(150),
      ...websocket,
      '--run',
      'run',
      '--auto-resume',
      '--kernels',
      'wasm',
    ];
    const ranks = startRanks(args, options);
    const [first, ...others] = ranks;
    await shown(first, 'epoch   5/150');
    first.child.kill('SIGKILL');
    t.equal((await first.finished).signal, 'SIGKILL');
    const again = await startRank(0, args, options).finished;
    t.equal(again.code, 0, again.stderr.slice(-300));
    const summary = jsonOf(again);
    t.match(summary, { ...long.digests, workers: 2 });
    t.ok(
      Number(summary.resumedAtStep) > 0 && Number(summary.resumedAtStep) < 600,
      String(summary.resumedAtStep),
    );
    for (const { finished } of others) {
      const { code, stderr } = await finished;
      t.equal(code, 0, stderr);
      t.match(stderr, /^lockstep: rank [12]: connection lost: [^\n]+; trying again for 10:00\n/);
    }
  },
);

t.test('all ranks are stopped by a signal, and go on by the same command line', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const options = { cwd, size: 3, port: await freePort(), environment };
  const args = ['train', ...recipe(150), ...websocket, '--run', 'run', '--auto-resume'];
  const ranks = startRanks(args, options);
  await shown(ranks[0], 'epoch   3/150');
  for (const { child } of ranks) child.kill('SIGTERM');
  t.same(await codesOf(ranks), [143, 143, 143]);
  const [first, ...others] = startRanks(args, options);
  const summary = jsonOf(await first.finished);
  t.match(summary, long.digests);
  t.ok(Number(summary.resumedAtStep) > 0, String(summary.resumedAtStep));
  t.same(await codesOf(others), [0, 0]);
  t.strictSame(loggedOf(join(cwd, 'run')), loggedOf(long.folder));
  const again = startRanks(args, options);
  t.same(await codesOf(again), [0, 0, 0], 'a run that is done lets nobody wait');
  t.match(jsonOf(await again[0].finished), { ...long.digests, stepsComputed: 0 });
  const other = createServer().listen(options.port, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const alone = await startRank(0, args, options).finished;
  t.equal(alone.code, 0, 'it is done, too, where the others cannot be told so');
  t.match(alone.stderr, /^note: the other ranks were not told that the run is done: [^\n]+\n/m);
  t.match(jsonOf(alone), { ...long.digests, stepsComputed: 0 });
});

t.test('what rank 0 finds wrong ends all ranks', async (t) => {
  const options = { cwd: t.testdir(), size: 3, port: await freePort(), environment };
  const args = ['train', ...recipe(5), ...websocket, '--no-run', '--optimizer', 'nonsense'];
  const [first, ...others] = await Promise.all(startRanks(args, options).map(({ finished }) => finished));
  t.equal(first.code, 2);
  t.match(first.stderr, /^lockstep: --optimizer: unknown name "nonsense"[^\n]+$/m);
  for (const { code, stderr } of others) {
    t.equal(code, 1);
    t.match(
      stderr,
      /^lockstep: rank [12]: coordinator 127\.0\.0\.1:\d+: the run failed: --optimizer: [^\n]+\n$/,
    );
  }
});

t.test('one rank alone just trains', async (t) => {
  const [only] = startRanks(['train', ...recipe(5), ...websocket, '--no-run'], {
    cwd: t.testdir(),
    size: 1,
    port: 1,
  });
  const finished = await only.finished;
  t.equal(finished.code, 0, finished.stderr.slice(-300));
  t.match(finished.stderr, /^rank 0 of 1, found by torchrun/);
  t.match(jsonOf(finished), { ...short.digests, workers: 0 });
});

/** Runs three ranks under an mpirun, and returns how it ended and who it started; null where it is not installed. */
async function mpirun(t: Test, command: string): Promise<{ finished: Finished; pids: number[] } | null> {
  if (spawnSync(command, ['--version']).error !== undefined) {
    t.comment(`NOT TESTED: ${command} is not installed`);
    return null;
  }
  const args = ['train', ...recipe(100), ...websocket, '--no-run'];
  const many = command.endsWith('openmpi') ? ['--oversubscribe'] : [];
  const child = spawn(command, [...many, '-n', '3', process.execPath, program, ...args], {
    cwd: t.testdir(),
    env: {
      ...cleanEnvironment(),
      ...environment,
      MASTER_PORT: String(await freePort()),
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const pids = showsChildren(t) && child.pid !== undefined ? await childrenWhen(child.pid, 1) : [];
  const [code, signal] = await once(child, 'close');
  return { finished: { code, signal, stdout, stderr }, pids };
}

for (const [command, launcher] of [
  ['mpirun.openmpi', 'Open MPI'],
  ['mpirun.mpich', 'MPICH'],
]) {
  t.test(`three ranks of ${launcher} come to the same bits, and leave nobody behind`, async (t) => {
    const run = await mpirun(t, command);
    if (run === null) return;
    const { finished, pids } = run;
    t.equal(finished.code, 0, finished.stderr.slice(-300));
    t.match(finished.stderr, new RegExp(`^rank 0 of 3, found by ${launcher} \\(`, 'm'));
    t.match(jsonOf(finished), { ...medium.digests, workers: 2 });
    t.same(await survivorsOf(pids), []);
  });
}

t.test('what no launcher says is asked for in one line', async (t) => {
  const ranks = { RANK: '0', WORLD_SIZE: '2' };
  const args = ['train', ...recipe(5), '--transport', 'websocket'];
  await holdRefused(t, {
    'no launcher': {
      args,
      code: 2,
      says: /--transport: found no launcher in the environment, expected to be/,
    },
    'a batch script': {
      args,
      code: 2,
      says: /--transport: found no launcher .*in a batch script of Slurm expected srun in front of the command/,
      environment: { SLURM_JOB_ID: '3', SLURM_PROCID: '0', SLURM_NTASKS: '2' },
    },
    'no token': {
      args,
      code: 2,
      says: /--transport websocket: got no token, expected the same one for all ranks: .*LOCKSTEP_TOKEN/,
      environment: { ...ranks, MASTER_ADDR: '127.0.0.1' },
    },
    'no token, at a worker': {
      args,
      code: 2,
      says: /^lockstep: rank 1: --transport websocket: got no token/,
      environment: { ...ranks, RANK: '1', MASTER_ADDR: '127.0.0.1' },
    },
    'a token that cannot vouch': {
      args,
      code: 2,
      says: /^lockstep: rank 1: LOCKSTEP_TOKEN: got one that could be guessed, expected a random token, .*openssl rand -hex 16\); or pass --insecure/,
      environment: { ...ranks, RANK: '1', MASTER_ADDR: '127.0.0.1', LOCKSTEP_TOKEN: 'changeme' },
    },
    'no address': {
      args,
      code: 2,
      says: /MASTER_ADDR: got nothing, and torchrun does not say where rank 0 is; set it for all ranks/,
      environment: { ...ranks, ...environment },
    },
    'any port': {
      args: [...args, '--listen', '127.0.0.1:0'],
      code: 2,
      says: /--listen: got port 0, expected one that all ranks know/,
      environment: { ...ranks, ...environment },
    },
    'half of a launcher': {
      args,
      code: 2,
      says: /WORLD_SIZE: got nothing beside RANK/,
      environment: { RANK: '1' },
    },
    'a worker that nobody waits for': {
      args,
      code: 1,
      says: /^lockstep: rank 1: coordinator 127\.0\.0\.1:1: nobody listens there/,
      environment: {
        ...ranks,
        RANK: '1',
        ...environment,
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: '1',
        LOCKSTEP_WAIT: '0.1s',
      },
    },
    'a coordinator, which has no ranks': {
      args: ['coordinator', ...recipe(5), '--transport', 'websocket'],
      code: 2,
      says: /--transport: got "websocket", expected local/,
      environment: ranks,
    },
  });
});
