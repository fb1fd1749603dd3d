/** A coordinator that dies and is started again: its workers come back by themselves, and nothing is lost. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { jsonOf, lockstep } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { randomNumbers } from '../helpers/reference/random-data.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { launch } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const recipe = [...tinyRecipe.slice(0, -2), '--data', data, '--epochs', '60', '--shard-size', '4'];
const kills = 4;

/** Lines of steps that are whole. */
const stepsLogged = (run: string) =>
  readFileSync(join(run, 'log.jsonl'), 'utf8').match(/^\{"epoch":\d+,"step":.*\n/gm)?.length ?? 0;

t.test(
  `killed ${kills} times, the coordinator goes on with the same workers, under TLS and with the token that it made`,
  async (t) => {
    if (!hasSignals(t)) return;
    const base = t.testdir();
    const run = join(base, 'r');
    const straight = jsonOf(
      await lockstep(['train', ...recipe, '--threads', '1', '--run', 'whole', '--json'], { cwd: base }),
    );
    // Its certificate lies in the state folder; the token in the folder of the run alone.
    const places = { LOCKSTEP_TOKEN: '', XDG_STATE_HOME: join(base, 'state') };
    const how = ['--workers', '2', '--checkpoint-every', '5', '--json'];
    const coordinate = (...args: string[]) => launch(t, ['coordinator', ...args, ...how], places, base);
    const random = randomNumbers(20261123);
    let coordinator = coordinate(...recipe, '--run', run, '--listen', '0.0.0.0:0');
    const [, token, port, fingerprint] = await coordinator.shows(
      /LOCKSTEP_TOKEN=([0-9a-f]{32}) .*worker wss:\S+:(\d+) --fingerprint (sha256:[0-9a-f]{64})/,
    );
    const url = `wss://127.0.0.1:${port}`;
    const workers = ['ada', 'eve'].map((name) =>
      launch(
        t,
        ['worker', url, '--fingerprint', fingerprint, '--name', name, '--json'],
        { LOCKSTEP_TOKEN: token },
        base,
      ),
    );
    await Promise.all(workers.map((worker) => worker.shows(/ready|training|step/)));
    let logged = 0;
    for (let i = 0; i < kills; i++) {
      const goal = logged + 1 + Math.floor(((random() + 1) / 2) * 20);
      while (stepsLogged(run) < goal) await new Promise((resolve) => setTimeout(resolve, 5));
      coordinator.child.kill('SIGKILL');
      t.equal((await coordinator.finished).signal, 'SIGKILL', `killed after step ${stepsLogged(run)}`);
      logged = stepsLogged(run);
      coordinator = coordinate('--resume', run, '--listen', `0.0.0.0:${port}`);
    }
    const finished = await coordinator.finished;
    t.equal(finished.code, 0, finished.stderr.slice(-500));
    const summary = jsonOf(finished);
    const { weightsDigest, stateDigest, trainLoss, steps } = straight;
    t.match(summary, { weightsDigest, stateDigest, trainLoss, steps, joins: 2, workers: 2 });
    t.ok(Number(summary.resumedAtStep) > 0, `the last went on at step ${summary.resumedAtStep}`);
    t.strictSame(loggedOf(run), loggedOf(join(base, 'whole')), 'the same log');
    for (const name of ['chain', 'model.safetensors']) {
      t.ok(readFileSync(join(run, name)).equals(readFileSync(join(base, 'whole', name))), `the same ${name}`);
    }
    for (const worker of workers) {
      const ended = await worker.finished;
      t.equal(ended.code, 0);
      t.match(jsonOf(ended), { sessions: 1 + kills, reason: 'the run is done' }, 'it came back each time');
    }
    const kept = join(run, 'token');
    t.equal(readFileSync(kept, 'utf8'), `${token}\n`);
    t.equal(statSync(kept).mode & 0o777, 0o600, 'for its owner alone');
    for (const name of ['environment.json', 'log.jsonl', 'recipe.json']) {
      t.notOk(readFileSync(join(run, name), 'utf8').includes(token), `the token is not in ${name}`);
    }
  },
);

/** A coordinator and one worker, which is killed once they train; what becomes of the coordinator. */
async function leftAlone(
  t: Test,
  flags: readonly string[],
  then: (child: ReturnType<typeof launch>) => Promise<void>,
) {
  const base = t.testdir();
  const long = [...tinyRecipe.slice(0, -2), '--data', data, '--epochs', '5000'];
  const args = ['coordinator', ...long, '--run', 'r', '--listen', '127.0.0.1:0', ...flags];
  const coordinator = launch(t, args, {}, base);
  const [, url] = await coordinator.shows(/worker (ws:\S+)/);
  const worker = launch(t, ['worker', url], {}, base);
  await coordinator.shows(/^epoch\s+2\/5000/m);
  worker.child.kill('SIGKILL');
  await coordinator.shows(/waiting for 1 more worker/);
  await then(coordinator);
  const { code, stdout, stderr } = await coordinator.finished;
  const run = join(coordinator.cwd, 'r');
  const newest = readdirSync(join(run, 'checkpoints')).toSorted().at(-1);
  const steps = String(stepsLogged(run)).padStart(9, '0');
  t.equal(newest, `step-${steps}.safetensors`, 'every step that was done is in the newest checkpoint');
  const [, port] = /:(\d+)/.exec(url) ?? [];
  const [, words] = /^to go on: npm exec --no -- lockstep (.*)$/m.exec(stdout) ?? [];
  return { code, stderr, words, port };
}

t.test(
  'when all workers are gone for too long, what was done is kept, and how to go on is said',
  async (t) => {
    if (!hasSignals(t)) return;
    const { code, stderr, words, port } = await leftAlone(t, ['--worker-timeout', '8s'], async () => {});
    t.equal(code, 1, 'exit code 1');
    t.match(stderr, /^lockstep: waited 8 s for workers: 0 of 1 are there; /);
    t.equal(words, `coordinator --resume r --listen 127.0.0.1:${port} --worker-timeout 8s`);
  },
);

t.test('Ctrl-C while it waits for workers keeps what was done, too', async (t) => {
  if (!hasSignals(t)) return;
  const { code, words, port } = await leftAlone(t, [], async ({ child }) => {
    child.kill('SIGINT');
  });
  t.equal(code, 130, 'exit code 130');
  t.equal(words, `coordinator --resume r --listen 127.0.0.1:${port}`);
});
