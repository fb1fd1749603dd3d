/** Others get the same training as files, and are measured only if they compute the same. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { peerObstacle, writePeerTask } from '../../../scripts/bench/peer-job.ts';
import { PeerSides } from '../../../scripts/bench/peer-sides.ts';
import type { PeerLaunch } from '../../../scripts/bench/peers/peer.ts';
import { loadModel } from '../../../scripts/model.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../../shared/recipe/resolve.ts';
import { label, syntheticDataset, train } from '../../helpers/train.ts';

const source = syntheticDataset(5, 24, 1);
const kernels = loadKernels('auto');
const fields = {
  model: 'dense(7) sigmoid batchnorm(momentum=0.8,epsilon=0.01,scale=uniform) relu tanh dense(10) affine',
  optimizer: 'sgd(lr=0.05,momentum=0.5)',
  scale: 'standard',
  batchSize: 24,
  epochs: 1,
} as const satisfies RecipeFields;
const draft = draftRecipe(fields, label);
const task = (t: Test) => writePeerTask(draft, { source, kernels, label, folder: t.testdir() });

t.test('the job is the recipe in words of its own', async (t) => {
  const { job } = await task(t);
  t.match(job, { samples: 24, batchSize: 24, learningRate: 0.05, momentum: 0.5 });
  t.same(job.layers, [
    { kind: 'dense', units: 7 },
    { kind: 'sigmoid' },
    { kind: 'batchnorm', momentum: 0.8, epsilon: 0.01 },
    { kind: 'relu' },
    { kind: 'tanh' },
    { kind: 'dense', units: 10 },
  ]);
  // Each byte becomes what it becomes here, up to rounding.
  const scaled = (byte: number) => (byte / 255 - job.scale.mean) * job.scale.factor;
  t.ok(Math.abs(scaled(255) - (1 - 0.1307) / 0.3081) < 1e-12);
});

t.test('the files are the data in order, and the values that training starts from', async (t) => {
  const { job } = await task(t);
  const images = new Uint8Array(24 * 784);
  const labels = new Uint8Array(24);
  await source.load('train', images, labels);
  t.same(new Uint8Array(readFileSync(job.images)).subarray(16), images);
  t.same(new Uint8Array(readFileSync(job.labels)).subarray(8), labels);
  const { snapshot } = loadModel(job.weights);
  const untrained = await train({ ...fields, epochs: 0 }, { source });
  t.same(snapshot.tensors, untrained.snapshot.tensors);
});

t.test('the first loss is that of the first batch', async (t) => {
  const { firstLoss } = await task(t);
  const { losses } = await train(fields, { source });
  // The same 24 samples in another order: sums of binary32 differ in their last bits.
  t.ok(Math.abs(firstLoss - losses[0]) < 1e-5, `${firstLoss} and ${losses[0]}`);
});

t.test('what others are not told how to train', (t) => {
  const obstacle = (more: RecipeFields) => peerObstacle(draftRecipe({ ...fields, ...more }, label));
  t.equal(obstacle({}), null);
  t.match(obstacle({ optimizer: 'sgd(momentum=0.9,nesterov=true)' }), /the optimizer sgd\(.*nesterov=true/);
  t.match(obstacle({ optimizer: 'sgd(weightDecay=0.1)' }), /the optimizer/);
  t.match(obstacle({ batchNorm: 'ghost' }), /batch norm of each shard/);
  t.equal(obstacle({ batchNorm: 'ghost', model: 'dense(10)' }), null, 'no batch norm');
  t.match(obstacle({ model: 'affine(slope=2) dense(10)' }), 'the layer affine(slope=2)');
  t.end();
});

/** A peer that says this loss, and answers every line with 100 samples in 2 seconds. */
const fake = (title: string, loss: string, processes = 1): PeerLaunch => ({
  title,
  command: process.execPath,
  args: [
    '-e',
    `const say = (o) => console.log(JSON.stringify(o));
     say({ ready: true, version: '1', settings: 'fake', firstLoss: ${loss}, advice: null });
     process.stdin.on('data', () => say({ samples: 100, steps: 1, seconds: 2, loss: 1 }));`,
  ],
  environment: {},
  settings: { threads: 1, blasThreads: 1, processes, backend: '' },
});

t.test(
  'who computes the same is a side; who does not, or does not start, is said to have failed',
  async (t) => {
    const { firstLoss } = await task(t);
    const started: string[] = [];
    const peers = await PeerSides.start({
      launches: [
        fake('same', String(firstLoss)),
        fake('other', String(firstLoss * 1.001)),
        fake('by parts', String(firstLoss * 1.001), 2),
        fake('broken', 'nothing.at.all'),
      ],
      draft,
      source,
      kernels,
      label,
      onStart: (title) => started.push(title),
    });
    t.teardown(() => peers.close());
    t.same(started, ['same', 'other', 'by parts', 'broken']);
    t.same(
      peers.sides.map(({ facts }) => facts.name),
      ['same', 'by parts'],
    );
    t.match(peers.failed, [
      { name: 'other', reason: /computes something else: its first loss is .*, ours / },
      { name: 'broken', reason: /^broken: ended with exit code 1/ },
    ]);
    t.match(await peers.sides[0].run(0.01), { samples: 100, seconds: 2 });
  },
);

t.test('nothing is started for what others cannot train', async (t) => {
  const peers = await PeerSides.start({
    launches: [fake('one', '1')],
    draft: draftRecipe({ ...fields, batchNorm: 'ghost' }, label),
    source,
    kernels,
    label,
    onStart: () => t.fail('it was started'),
  });
  t.same(peers.sides, []);
  t.match(peers.failed, [{ name: 'one', reason: /not told how to train batch norm of each shard/ }]);
  await peers.close();
});

t.test('its files are gone in the end, also if it is called off', async (t) => {
  const looking: PeerLaunch = {
    ...fake('looking', '0'),
    args: ['-e', 'console.error(JSON.parse(process.argv[1]).weights); process.exit(3)'],
  };
  const settings = { draft, source, kernels, label, onStart: () => {} };
  const peers = await PeerSides.start({ ...settings, launches: [looking] });
  const folder = /said: (.*)[/\\]weights\.safetensors/.exec(peers.failed[0].reason)?.[1] ?? '';
  t.ok(existsSync(folder), folder);
  await peers.close();
  t.notOk(existsSync(folder), 'gone');
  const called = new Error('called off');
  const onStart = () => {
    throw called;
  };
  await t.rejects(PeerSides.start({ ...settings, launches: [looking], onStart }), called);
});

/** Where temporary files go, for as long as a test takes. */
function setTemporary(t: Test, path: string): void {
  const names = ['TMPDIR', 'TEMP', 'TMP'];
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = path;
  t.teardown(() => {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  });
}

t.test('without others nothing is written, whatever the folder for temporary files is', async (t) => {
  setTemporary(t, join(t.testdir(), 'nowhere'));
  const settings = { source, kernels, label, onStart: () => {} };
  const none = await PeerSides.start({ ...settings, draft, launches: [] });
  await none.close();
  const ghost = draftRecipe({ ...fields, batchNorm: 'ghost' }, label);
  const obstructed = await PeerSides.start({ ...settings, draft: ghost, launches: [fake('one', '1')] });
  await obstructed.close();
  t.equal(obstructed.failed.length, 1);
});

t.test('files that cannot be written are an error that says what to do', async (t) => {
  const folder = join(t.testdir(), 'nowhere');
  setTemporary(t, folder);
  const started = PeerSides.start({
    draft,
    source,
    kernels,
    label,
    launches: [fake('one', '1')],
    onStart: () => t.fail('it was started'),
  });
  const unwritable = { code: 'OUTPUT', message: /cannot write the files .*nowhere.*; set TMPDIR .*--peers/ };
  await t.rejects(started, unwritable);
  const blocked = t.testdir({ images: {} });
  await t.rejects(writePeerTask(draft, { source, kernels, label, folder: blocked }), {
    code: 'OUTPUT',
    message: /cannot write the files .*images.*; set TMPDIR/,
  });
});
