/** `lockstep coordinator` and `lockstep worker` as their users see them. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { publishedDigests } from '../../scripts/recipes/digests.ts';
import { jsonLines, jsonOf, lockstep } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { launch, launchCoordinator, token } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const tiny = [...tinyRecipe.slice(0, -2), '--data', data, '--no-run'];
/** Epochs without end: only somebody's going ends it. */
const endless = [...tiny, '--epochs', '1000000'];

t.test('the printed command starts a worker, under TLS, and the digest is the published one', async (t) => {
  const published = publishedDigests.find(
    ({ recipe, fields }) => recipe === 'mnist' && fields.trainSamples === 1000,
  );
  const run = join(t.testdir(), 'r');
  // Beyond loopback it takes a certificate of its own; the worker here takes the way over loopback.
  const args = ['mnist', '--train-samples', '1000', '--epochs', '1', '--run', run, '--listen', '0.0.0.0:0'];
  const coordinator = launch(t, ['coordinator', ...args, '--json'], { LOCKSTEP_TOKEN: '' });
  const [, madeToken, command] = await coordinator.shows(
    /^ {2}LOCKSTEP_TOKEN=([0-9a-f]{32}) npm exec --no -- lockstep (worker wss:\S+ --fingerprint sha256:[0-9a-f]{64})$/m,
  );
  const words = command.replace(/wss:\/\/[\w.]+:(\d+)/, 'wss://127.0.0.1:$1').split(' ');
  const worker = launch(t, [...words, '--name', 'ada', '--json'], { LOCKSTEP_TOKEN: madeToken });
  const finished = await coordinator.finished;
  t.equal(finished.code, 0);
  const summary = jsonOf(finished);
  t.match(summary, {
    weightsDigest: published?.weightsDigest,
    threads: 0,
    workers: 1,
    joins: 1,
    deaths: 0,
    shardsRecomputed: 0,
    stepsComputed: 8,
    resumedAtStep: null,
    work: [{ name: 'ada', shards: 63 }],
  });
  t.ok(Number(summary.samplesPerSecond) > (1000 / Number(summary.seconds)) * 1.01, 'waiting is no training');
  for (const says of [
    /certificate is this coordinator's own, in .*state.lockstep/,
    /waiting for 1 more worker, at most 10:00/,
    /ada \(127\.0\.0\.1:\d+\) joined: \d+ threads?, \S+ kernels; 1 worker now/,
    /^shards +100\.0 % ada$/m,
    /the published digest/,
  ]) {
    t.match(finished.stderr, says);
  }
  const events = jsonLines(join(run, 'log.jsonl')).filter((line) => 'event' in line);
  t.same(
    events.map(({ event }) => event),
    ['waiting', 'joined', 'enough'],
  );
  t.match(events[1], { name: 'ada', step: 0 });
  const { code, stderr, ...ended } = await worker.finished;
  t.equal(code, 0);
  t.match(stderr, /connected to wss:.* as ada\nrecipe {2}mnist trainSamples=1000 epochs=1 /);
  t.match(stderr, /data {4}own copy\n/);
  t.match(stderr, /over: the run is done\n63 shards in 8 steps computed here\n$/);
  t.match(jsonOf({ code, stderr, ...ended }), {
    name: 'ada',
    steps: 8,
    sessions: 1,
    reason: 'the run is done',
  });
  t.notOk((finished.stderr + stderr).includes('\u001b'), 'no control characters without a terminal');
});

t.test('data comes from the coordinator once, and then from the cache, or from a folder', async (t) => {
  const cwd = t.testdir();
  const cache = join(cwd, 'cache');
  const digests: unknown[] = [];
  for (const [flags, says] of [
    [[], /fetching the data from the coordinator\ndata {4}from the coordinator/],
    [[], /data {4}kept from an earlier run/],
    [['--data', data], /data {4}own copy/],
  ] as const) {
    const coordinator = await launchCoordinator(t, tiny);
    const places = { XDG_CACHE_HOME: flags.length === 0 ? cache : join(cache, 'other') };
    const worker = launch(t, ['worker', coordinator.url, '--threads', '1', ...flags], places);
    const { code, stdout } = await worker.finished;
    t.equal(code, 0);
    t.match(stdout, says);
    digests.push(jsonOf(await coordinator.finished).weightsDigest);
  }
  t.equal(readdirSync(join(cache, 'lockstep')).length, 1, 'one data set is kept');
  t.notOk(existsSync(join(cache, 'other')));
  const alone = await lockstep(['train', ...tiny, '--threads', '1', '--json'], { cwd });
  t.same(digests, Array(3).fill(jsonOf(alone).weightsDigest));
});

t.test('train --listen begins at once with its own threads, and ends like train', async (t) => {
  const cwd = t.testdir();
  const args = ['train', ...tiny, '--threads', '2', '--listen', '127.0.0.1:0', '--json'];
  const [listening, alone] = await Promise.all([
    launch(t, args).finished,
    lockstep(['train', ...tiny, '--threads', '1', '--json'], { cwd }),
  ]);
  t.equal(listening.code, 0);
  t.equal(jsonOf(listening).weightsDigest, jsonOf(alone).weightsDigest);
  t.match(jsonOf(listening), { threads: 2, workers: 0, joins: 0, work: [{ name: 'this process' }] });
  t.match(listening.stderr, /Workers may join now/);
  t.notMatch(listening.stderr, /waiting/);
});

t.test('Ctrl-C ends a coordinator that waits at once, SIGTERM one that trains after its step', async (t) => {
  if (!hasSignals(t)) return;
  const waiting = await launchCoordinator(t, tiny);
  await waiting.shows(/waiting for 1 more worker/);
  waiting.child.kill('SIGINT');
  const early = await waiting.finished;
  t.equal(early.code, 130);
  t.match(early.stderr, /lockstep: interrupted while it waited for workers\n$/);
  t.equal(early.stdout, '');

  const training = await launchCoordinator(t, endless);
  const worker = launch(t, ['worker', training.url, '--json']);
  await training.shows(/epoch +2\//);
  training.child.kill('SIGTERM');
  const late = await training.finished;
  t.equal(late.code, 143);
  t.match(jsonOf(late), { stoppedBy: 'signal', deaths: 0, joins: 1 });
  const told = await worker.finished;
  t.equal(told.code, 0);
  t.equal(jsonOf(told).reason, `stopped after step ${jsonOf(late).steps}`);
});

t.test(
  'SIGTERM lets a worker leave with a word, and the run waits for another one until Ctrl-C',
  async (t) => {
    if (!hasSignals(t)) return;
    const coordinator = await launchCoordinator(t, endless);
    const worker = launch(t, ['worker', coordinator.url, '--json', '--name', 'ada']);
    await coordinator.shows(/epoch +2\//);
    worker.child.kill('SIGTERM');
    const left = await worker.finished;
    t.equal(left.code, 143);
    t.equal(jsonOf(left).reason, 'interrupted');
    t.ok(Number(jsonOf(left).shards) > 0);
    await coordinator.shows(/left: interrupted; 0 workers now\nwaiting for 1 more worker/);
    coordinator.child.kill('SIGINT');
    const { code: interrupted, stderr } = await coordinator.finished;
    t.equal(interrupted, 130, 'and the wait for another one ends at once, too');
    t.match(
      stderr,
      /ada \(\S+\) left: interrupted; 0 workers now\nwaiting for 1 more worker, at most 10:00\n/,
    );
    t.match(stderr, /^stopped after +step \d/m, 'and nothing that was done is lost');
  },
);

t.test('a worker comes back when the coordinator does, and gives up when it does not', async (t) => {
  const first = await launchCoordinator(t, endless);
  const flags = ['worker', first.url, '--json'];
  const loyal = launch(t, [...flags, '--name', 'loyal']);
  const hasty = launch(t, [...flags, '--name', 'hasty', '--rejoin', '0']);
  await loyal.shows(/epoch +\d+\//);
  await hasty.shows(/epoch +\d+\//);
  first.child.kill('SIGKILL');
  const gone = await hasty.finished;
  t.equal(gone.code, 1);
  t.match(gone.stderr, /^connection lost: the connection was lost$/m);
  t.match(gone.stderr, /^\d+ shards? in \d+ steps? computed here$/m);
  t.match(
    gone.stderr,
    /^lockstep: coordinator 127\.0\.0\.1:\d+: the connection was lost; not tried again \(--rejoin\)$/m,
  );
  await loyal.shows(/connection lost: the connection was lost; trying again for 10:00/);
  const listen = first.url.replace('ws://', '');
  const second = launch(t, ['coordinator', ...tiny, '--listen', listen, '--json']);
  t.equal((await second.finished).code, 0);
  const back = await loyal.finished;
  t.equal(back.code, 0);
  t.match(jsonOf(back), { sessions: 2, reason: 'the run is done' });
});

t.test('a run that fails tells its workers why', async (t) => {
  const wild = [...tiny, '--model', 'dense(30) dense(10)', '--optimizer', 'sgd(lr=1e30)'];
  const coordinator = await launchCoordinator(t, wild);
  const worker = launch(t, ['worker', coordinator.url, '--json']);
  const [failed, told] = await Promise.all([coordinator.finished, worker.finished]);
  t.equal(failed.code, 1);
  t.match(failed.stderr, /lockstep: training diverged at step \d+/);
  t.equal(told.code, 1);
  t.equal(told.stdout, '');
  t.match(
    told.stderr,
    /^lockstep: coordinator 127\.0\.0\.1:\d+: the run failed: training diverged at step \d+/m,
  );
  t.notMatch(told.stderr, /\n +at /, 'and no stack');
});

t.test('a token of the user’s own is never shown', async (t) => {
  const coordinator = await launchCoordinator(t, tiny);
  const worker = launch(t, ['worker', coordinator.url]);
  const outputs = await Promise.all([coordinator.finished, worker.finished]);
  for (const { stdout, stderr } of outputs) t.notMatch(stdout + stderr, token);
});
