/** The page of a run as its users and their tools meet it: from the printed link to the end of the process. */
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { get as getSecurely } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { viewingTokenOf } from '../../coordinator/admission.ts';
import type { FeedMessage } from '../../coordinator/dashboard/feed.ts';
import { everythingBelow, jsonLines, jsonOf } from '../helpers/cli.ts';
import { FeedReader, fetched } from '../helpers/dashboard.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { type Launched, launch } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const tiny = [...tinyRecipe, '--data', data];
const endless = [...tiny.map((word, i) => (tiny[i - 1] === '--epochs' ? '1000000' : word)), '--no-run'];

async function portOf(launched: Launched): Promise<number> {
  const [, port] = await launched.shows(/Dashboard: http:\/\/127\.0\.0\.1:(\d+)\/$/m);
  return Number(port);
}

t.test('a run that is watched: its numbers are the log’s, and the process ends when it does', async (t) => {
  if (!hasSignals(t)) return;
  const training = launch(t, ['train', ...endless, '--dashboard', '0', '--log', 'log.jsonl', '--json']);
  const port = await portOf(training);
  const reader = await FeedReader.open(t, port);
  // A connection that is kept open must not keep the process.
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  await new Promise<void>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/healthz', agent }, (response) => {
      response.resume();
      response.on('end', resolve);
    }).on('error', reject);
  });
  const { facts } = await reader.first('run');
  t.match(facts, { recipeName: 'custom', batchSize: 16, steps: 4, samples: 60 });
  await reader.until(({ messages }) => messages.filter(({ type }) => type === 'epoch').length >= 3);
  training.child.kill('SIGTERM');
  const over = await reader.first('over');
  const overMs = performance.now();
  const { code, ...finished } = await training.finished;
  const summary = jsonOf({ code, ...finished });
  t.comment(`the process ended ${Math.round(performance.now() - overMs)} ms after it said so`);
  t.equal(code, 143);
  t.same(over, {
    type: 'over',
    how: 'stopped',
    reason: `stopped after step ${summary.steps}`,
    model: { weightsDigest: summary.weightsDigest, isPublished: null },
  });

  const lines = jsonLines(join(training.cwd, 'log.jsonl'));
  const late = reader.messages.findLast((message) => message.type === 'now');
  t.match(late, { activity: 'over', step: summary.steps });
  const losses = lines.filter((line) => 'step' in line).map(({ loss }) => Number(loss));
  let compared = 0;
  for (const message of reader.messages) {
    if (message.type === 'epoch') {
      const { epoch, loss, testLoss, testAccuracy } = message.epoch;
      t.match(
        lines.find((line) => line.epoch === epoch && 'testLoss' in line),
        { loss, testLoss, testAccuracy },
      );
    }
    if (message.type !== 'run' && message.type !== 'points') continue;
    // Where the first of some points begins is known of a history from its beginning alone.
    let before = message.type === 'run' || message.from === 0 ? 0 : Number.NaN;
    for (const { step, lossMin, lossMax } of message.points) {
      const those = losses.slice(before, step);
      if (!Number.isNaN(before)) {
        if (lossMin !== Math.min(...those) || lossMax !== Math.max(...those)) t.fail(`before step ${step}`);
        compared += those.length;
      }
      before = step;
    }
  }
  t.ok(compared >= losses.length / 2, `${compared} of ${losses.length} steps compared`);
});

t.test(
  'a coordinator prints the address of its page; a killed worker shows, and so does another run on the port',
  async (t) => {
    if (!hasSignals(t)) return;
    const listen = '127.0.0.1:0';
    const first = launch(t, ['coordinator', ...endless, '--listen', listen, '--threads', '0']);
    const port = await portOf(first);
    const [, url] = await first.shows(/worker (ws:\S+)/);
    const reader = await FeedReader.open(t, port);
    t.match(await whileItWaits(reader), { waitingFor: 'waiting for 1 more worker' });
    t.equal((await fetched(port, '/readyz')).status, 503);
    const ada = launch(t, ['worker', url, '--name', 'ada <b>']);
    const ida = launch(t, ['worker', url, '--name', 'ida']);
    const now = () => {
      const last = reader.messages.findLast((message) => message.type === 'now');
      return last?.type === 'now' ? last : undefined;
    };
    const stateOf = (name: string) => now()?.workers.find((worker) => worker.name === name)?.state;
    await reader.until(() => stateOf('ada <b>') === 'working' && stateOf('ida') === 'working');
    t.equal((await fetched(port, '/readyz')).status, 200);
    const killedMs = performance.now();
    ada.child.kill('SIGKILL');
    await reader.until(() => stateOf('ada <b>') === 'gone');
    t.comment(`it showed after ${Math.round(performance.now() - killedMs)} ms`);
    const events = reader.messages.flatMap((message) =>
      message.type === 'event' ? [message.event.text] : [],
    );
    t.ok(events.some((text) => /^ada <b> \(127\.0\.0\.1:\d+\) joined: \d+ threads?, /.test(text)));
    t.ok(events.some((text) => /^ada <b> \(127\.0\.0\.1:\d+\) lost: .*; 1 worker now$/.test(text)));
    const metrics = (await fetched(port, '/metrics')).body.toString('utf8');
    t.match(metrics, /^lockstep_worker_deaths_total 1$/m);
    t.match(metrics, /^lockstep_workers\{state="gone"\} 1$/m);
    t.match(metrics, /^lockstep_worker_sent_bytes_total\{worker="ida"\} [1-9]/m);

    first.child.kill('SIGKILL');
    await first.finished;
    await reader.end();
    const again = [...tiny, '--no-run', '--threads', '1', '--listen', url.replace('ws://', '')];
    const second = launch(t, ['coordinator', ...again, '--dashboard', String(port)]);
    t.equal(await portOf(second), port);
    ida.child.kill('SIGKILL');
    const { code } = await second.finished;
    t.equal(code, 0);
  },
);

t.test('a run that goes on shows itself from its beginning, under its name', async (t) => {
  if (!hasSignals(t)) return;
  const run = join(t.testdir(), 'folder');
  const kept = endless.filter((word) => word !== '--no-run');
  const first = launch(t, [
    'coordinator',
    ...kept,
    '--run',
    run,
    '--threads',
    '1',
    '--listen',
    '127.0.0.1:0',
  ]);
  const before = await FeedReader.open(t, await portOf(first));
  await before.until(({ messages }) => messages.filter(({ type }) => type === 'epoch').length >= 3);
  first.child.kill('SIGTERM');
  await first.finished;
  // Nobody comes, so it stands where it stopped.
  const again = ['coordinator', '--resume', run, '--threads', '0', '--listen', '127.0.0.1:0'];
  const second = launch(t, again);
  const reader = await FeedReader.open(t, await portOf(second));
  const steps = jsonLines(join(run, 'log.jsonl')).filter((line) => 'samples' in line && 'step' in line);
  await reader.until(({ messages }) => messages.some((one) => one.type === 'run' && one.points.length > 0));
  const everything = reader.messages.findLast((message) => message.type === 'run');
  if (everything?.type !== 'run') throw new Error('nothing was told');
  const { points, epochs, facts, events, confusion } = everything;
  t.equal(facts.recipeName, 'custom', 'as it was begun');
  t.equal(points.at(-1)?.step, steps.length);
  t.type(points.at(-1)?.accuracy, 'number');
  t.equal(
    points.reduce((least, { lossMin }) => Math.min(least, lossMin), Number.POSITIVE_INFINITY),
    steps.reduce((least, { loss }) => Math.min(least, Number(loss)), Number.POSITIVE_INFINITY),
  );
  t.ok(epochs.length >= 3);
  t.equal(confusion, null, 'known after the next evaluation');
  t.match(events[0], { step: steps.length, text: /^goes on after step [\d,]+ of 4,000,000$/ });
  t.match(await whileItWaits(reader), { epoch: Math.floor(steps.length / 4) + 1, secondsLeft: null });
  second.child.kill('SIGKILL');
  await second.finished;
});

t.test('a run that fails says so to who looks', async (t) => {
  const wild = ['--model', 'dense(30) dense(10)', '--optimizer', 'sgd(lr=1e30)', '--epochs', '1'];
  const args = ['coordinator', ...tiny, ...wild, '--no-run', '--listen', '127.0.0.1:0', '--threads', '0'];
  const failing = launch(t, args);
  const port = await portOf(failing);
  const reader = await FeedReader.open(t, port);
  const [, url] = await failing.shows(/worker (ws:\S+)/);
  const worker = launch(t, ['worker', url]);
  t.match(await reader.first('over'), { how: 'failed', reason: /^training diverged at step \d/ });
  t.equal((await failing.finished).code, 1);
  await worker.finished;
});

t.test('a port that is taken: asked for, it is an error in one line; else there is another', async (t) => {
  if (!hasSignals(t)) return;
  const first = launch(t, ['train', ...endless, '--dashboard', '0']);
  const port = await portOf(first);
  const before = everythingBelow(t.testdirName);
  const refused = launch(t, ['train', ...tiny, '--dashboard', String(port)]);
  const { code, stdout, stderr } = await refused.finished;
  t.equal(code, 1);
  t.equal(stdout, '');
  t.equal(
    stderr,
    `lockstep: --dashboard: cannot listen on 127.0.0.1:${port}: the port is in use; stop what listens there or choose another port\n`,
  );
  t.same(everythingBelow(refused.cwd), [], 'and nothing is left behind');
  t.ok(before.length > 0);
  const beside = launch(t, [
    'coordinator',
    ...endless,
    '--listen',
    `127.0.0.1:${port - 1}`,
    '--threads',
    '1',
  ]);
  t.not(await portOf(beside), port);
  for (const { child } of [first, beside]) child.kill('SIGKILL');
});

t.test('a word behind --dashboard that is no address is the recipe', async (t) => {
  const flags = ['--data', data, '--epochs', '1', '--batch-size', '16', '--train-samples', '60', '--no-run'];
  const training = launch(t, ['train', ...flags, '--dashboard', 'note']);
  await training.shows(/recipe note /);
  await portOf(training);
  t.equal((await training.finished).code, 0);
});

/** One request under TLS, whoever answers. */
function fetchedSecurely(port: number, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, headers, agent: false, rejectUnauthorized: false };
    getSecurely(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

/** Holds that a text stands nowhere below a folder, but in one file. */
function holdSecret(t: Test, secret: string, folder: string, but: RegExp): void {
  const found = everythingBelow(folder).filter((path) => {
    try {
      return readFileSync(join(folder, path)).includes(secret);
    } catch {
      return false; // a folder
    }
  });
  t.ok(
    found.every((path) => but.test(path)),
    found.join(', '),
  );
}

t.test(
  'beyond this machine: TLS, the token in the link alone, and in the folder for the next time',
  async (t) => {
    if (!hasSignals(t)) return;
    const args = ['train', ...endless.filter((word) => word !== '--no-run'), '--run', 'r'];
    const first = launch(t, [...args, '--dashboard', '0.0.0.0:0', '--json'], { LOCKSTEP_TOKEN: '' });
    const [, port, token] = await first.shows(/Dashboard: https:\/\/[\d.]+:(\d+)\/#token=([0-9a-f]{32})$/m);
    await first.shows(/^Its certificate is this coordinator's own: sha256:[0-9a-f]{64}$/m);
    const bearer = { Authorization: `Bearer ${token}` };
    t.equal(await fetchedSecurely(Number(port), '/metrics', bearer), 200);
    t.equal(await fetchedSecurely(Number(port), '/metrics', { Authorization: 'Bearer nothing' }), 401);
    t.equal(await fetchedSecurely(Number(port), `/metrics?token=${token}`, {}), 401);
    t.equal(await fetchedSecurely(Number(port), '/healthz', {}), 200);
    await first.shows(/epoch +2\//);
    first.child.kill('SIGTERM');
    const { code, stdout, stderr } = await first.finished;
    t.equal(code, 143);
    t.equal((stdout + stderr).split(token).length, 2, 'it is shown once');
    t.match(stderr, /to go on: .* --dashboard 0\.0\.0\.0:0/);
    holdSecret(t, token, first.cwd, /^$/);
    const kept = readFileSync(join(first.cwd, 'r', 'token'), 'utf8').trim();
    t.equal(viewingTokenOf(kept), token);
    t.notMatch(stdout + stderr, kept, 'that of workers is not shown where there are none');
    holdSecret(t, kept, first.cwd, /^r\/token$/);
  },
);

t.test('a token of the user’s own is never shown', async (t) => {
  const own = 'my-own-token-for-the-page';
  const args = ['coordinator', ...tiny, '--no-run', '--threads', '1', '--listen', '127.0.0.1:0'];
  const shown = launch(t, [...args, '--dashboard', '0.0.0.0:0', '--insecure'], { LOCKSTEP_TOKEN: own });
  const [, port] = await shown.shows(/Dashboard: http:\/\/[\d.]+:(\d+)\/#token=[0-9a-f]{32}$/m);
  t.ok(Number(port) > 0);
  const { stdout, stderr } = await shown.finished;
  t.match(stdout, /^--insecure: the token in the link, and what it shows, travel in the open\.$/m);
  t.notMatch(stdout + stderr, own);
});

/** What is told while a run waits for workers; the first telling can be from before. */
async function whileItWaits(reader: FeedReader): Promise<FeedMessage | undefined> {
  const isWaiting = (one: FeedMessage) => one.type === 'now' && one.activity === 'waiting';
  await reader.until(({ messages }) => messages.some(isWaiting));
  return reader.messages.find(isWaiting);
}
