/** `--dry-run`: what it says is what a training does, and it leaves nothing behind. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { everythingBelow, holdRefused, jsonLines, jsonOf, lockstep } from '../helpers/cli.ts';
import { tinyRecipe, tinyTest, tinyTrain, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const recipe = [...tinyRecipe, '--epochs', '2', '--data', data];

t.test('the plan as JSON is that of the training that follows', async (t) => {
  const cwd = t.testdir();
  const dry = await lockstep(['train', ...recipe, '--threads', '3', '--dry-run', '--json', '--quiet'], {
    cwd,
  });
  t.equal(dry.code, 0, dry.stderr);
  t.equal(dry.stderr, '');
  t.same(everythingBelow(cwd), [], 'nothing is written');
  const plan = jsonOf(dry);
  const trained = jsonOf(
    await lockstep(['train', ...recipe, '--threads', '3', '--json', '--run', 'r'], { cwd }),
  );
  const { layers } = jsonOf(await lockstep(['inspect', 'r', '--json'], { cwd }));
  t.match(plan, {
    dryRun: true,
    recipeId: trained.recipeId,
    kernels: { set: trained.kernels },
    data: { sha256: /^[0-9a-f]{64}$/, trainSamples: tinyTrain, testSamples: tinyTest },
    samples: tinyTrain,
    layers,
  });
  t.equal(Number(plan.epochs) * Number(plan.stepsPerEpoch), trained.steps);
  const steps = jsonLines(join(cwd, 'r', 'log.jsonl')).filter((line) => 'samples' in line);
  t.equal(steps[0].samples, plan.batchSize);
  const threads = plan.threads as { from: number; to: number }[];
  t.equal(threads.length, 3);
  t.same([threads[0].from, threads[2].to], [0, plan.shardsPerStep], 'all shards, in order');
  t.same([threads[1].from, threads[2].from], [threads[0].to, threads[1].to], 'each once');
  const memory = plan.memory as { bytes: number; uses: Record<string, number> };
  t.equal(
    Object.values(memory.uses).reduce((sum, bytes) => sum + bytes, 0),
    memory.bytes,
  );
});

t.test('what travels in a step is what a worker will send', async (t) => {
  const cwd = t.testdir();
  const plan = jsonOf(
    await lockstep(['coordinator', ...recipe, '--threads', '0', '--dry-run', '--json', '--quiet'], { cwd }),
  );
  t.same(plan.threads, [], 'no threads here');
  const names = (plan.exchanges as { name: string }[]).map(({ name }) => name);
  t.same(names, [
    'batch moments of layer 1 (batchnorm)',
    'batch gradient sums of layer 1 (batchnorm)',
    'gradient',
  ]);
  const bytes = (plan.exchanges as { bytes: number }[]).map(({ bytes }) => bytes);
  t.equal(bytes[0], bytes[1]);
  // A header of 64, the flat vector, a panel with the loss: WebSocket headers come on top (test/integration/traffic).
  t.equal(bytes[2], 64 + 4 * Number(plan.values) + 64);
  t.same(everythingBelow(cwd), []);
});

t.test('for people: within 80 columns, the same facts', async (t) => {
  const cwd = t.testdir();
  const { stdout, stderr, code } = await lockstep(['train', ...recipe, '--threads', '2', '--dry-run'], {
    cwd,
  });
  t.equal(code, 0, stderr);
  for (const words of [
    /^recipe id {7}[0-9a-f]{64}$/m,
    /^data SHA-256 {4}[0-9a-f]{64}$/m,
    /^layer +output +parameters +forward +backward$/m,
    /^gradient +[\d,]+$/m,
    /^memory +MiB here$/m,
    /^steps {11}2 epochs of 4, 8 in all$/m,
    /^thread 1 {8}shards? /m,
  ]) {
    t.match(stdout, words);
  }
  const tables = stdout.split('\n').filter((line) => !/^(what a worker|kernels|data {2})/.test(line));
  for (const line of tables) t.ok(line.length <= 80, line);
  t.same(everythingBelow(cwd), []);
});

t.test('a port that is taken is no matter, and no certificate is made', async (t) => {
  const cwd = t.testdir();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (const listen of [`127.0.0.1:${port}`, '0.0.0.0:0']) {
    const args = ['coordinator', ...recipe, '--dry-run', '--listen', listen, '--host-name', 'here.example'];
    const { code, stdout, stderr } = await lockstep(args, { cwd, environment: { HOME: cwd } });
    t.equal(code, 0, stderr);
    t.match(stdout, /^workers {9}get runs of shards by their speed$/m);
    t.match(stdout, /^memory +MiB here +a worker$/m);
  }
  t.same(everythingBelow(cwd), []);
});

t.test('what a training would refuse is refused', async (t) => {
  await holdRefused(t, {
    'a resumed run': {
      args: ['train', '--dry-run', '--resume', 'r'],
      code: 2,
      says: /--dry-run: got it together with --resume/,
    },
    'a model that does not fit': {
      args: ['train', '--dry-run', '--model', 'dense(3)', '--data', data],
      code: 2,
      says: /--model/,
    },
    'too many threads': {
      args: ['train', ...recipe, '--dry-run', '--threads', '0'],
      code: 2,
      says: /--threads/,
    },
    'no such data': {
      args: ['train', '--dry-run', '--data', 'nowhere'],
      code: 2,
      says: /--data: got "nowhere"/,
    },
  });
});
