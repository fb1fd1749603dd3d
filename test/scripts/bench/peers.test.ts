/** The peers of the benchmark: how one that fails is noticed, and that those that are here train what we train. */
import t, { type Test } from 'tap';
import { Peer, type PeerLaunch, type PeerLimits } from '../../../scripts/bench/peers/peer.ts';
import { findPeers } from '../../../scripts/bench/peers/peers.ts';
import type { PeerJob } from '../../../scripts/bench/peers/protocol.ts';
import { defaultPeersFolder } from '../../../scripts/commands/flags.ts';
import { LockstepError } from '../../../shared/errors.ts';
import { ReferenceNetwork } from '../../helpers/reference/network.ts';
import { tinyPixels } from '../../helpers/tiny-data.ts';
import { batchSize, initial, layers, scale, tinyJob } from '../../helpers/tiny-peer-job.ts';

t.setTimeout(300_000);

const noJob: PeerJob = {
  images: '',
  labels: '',
  scale: { mean: 0, factor: 1 },
  samples: 1,
  batchSize: 1,
  layers: [],
  learningRate: 0.1,
  momentum: 0,
  weights: '',
};

const readyLine = `console.log(JSON.stringify({ ready: true, version: '1.2', settings: 'none', firstLoss: 2 }));`;
const answerLines = `
  const { createInterface } = require('node:readline');
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { seconds } = JSON.parse(line);
    console.log(JSON.stringify({ samples: 64, steps: 2, seconds, loss: 1.5 }));
  });`;

/** A peer that is a script of Node. */
function fake(script: string, command = process.execPath): PeerLaunch {
  const settings = { threads: 1, blasThreads: 1, processes: 1, backend: '' };
  return { title: 'a fake', command, args: ['-e', script, '--'], environment: {}, settings };
}

/** Far longer than anything here takes, and far shorter where a deadline is to pass. */
const patient: PeerLimits = { startMs: 30_000, runMs: 30_000, closeMs: 30_000 };
const soonMs = 300;

/** The error that a peer ends with. */
async function failure(t: Test, doing: Promise<unknown>): Promise<string> {
  const error: unknown = await doing.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  t.ok(error instanceof LockstepError && error.code === 'PEER', String(error));
  return error instanceof Error ? error.message : '';
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

t.test('a peer says what it is, trains when it is asked to, and is gone once it is closed', async (t) => {
  const job = { ...noJob, samples: 640 };
  const script = `const job = JSON.parse(process.argv[1]);
    console.log(JSON.stringify({ ready: true, version: '1.2', settings: job.samples + ' ' + job.threads, firstLoss: process.pid }));
    ${answerLines}`;
  const peer = await Peer.start(fake(script), job, patient);
  const { firstLoss: pid, ...ready } = peer.ready;
  t.same(ready, { version: '1.2', settings: '640 1', advice: null });
  t.same(await peer.run(0.5), { samples: 64, steps: 2, seconds: 0.5, loss: 1.5 });
  t.same(await peer.run(0.25), { samples: 64, steps: 2, seconds: 0.25, loss: 1.5 });
  t.ok(isAlive(pid));
  await peer.close();
  t.notOk(isAlive(pid));
  await peer.close();
});

t.test('a peer that does not get ready is an error, and so is one that does not answer', async (t) => {
  const waiting = 'process.stdin.resume();';
  const late = await failure(t, Peer.start(fake(waiting), noJob, { ...patient, startMs: soonMs }));
  t.match(late, /^a fake: was not ready within 300 ms$/);
  const peer = await Peer.start(fake(readyLine + waiting), noJob, { ...patient, runMs: soonMs });
  t.match(await failure(t, peer.run(0)), /^a fake: was not done after 0 s within 300 ms$/);
});

t.test('a peer that ends is an error with the last that it said', async (t) => {
  const crash = `for (let i = 0; i < 999; i++) console.error('line ' + i); process.exitCode = 3;`;
  t.match(
    await failure(t, Peer.start(fake(crash), noJob, patient)),
    /^a fake: ended with exit code 3; it said: line 994 \| line 995 \| line 996 \| line 997 \| line 998$/,
  );
  const peer = await Peer.start(
    fake(`${readyLine}process.stdin.once('data', () => process.exit(0));`),
    noJob,
  );
  t.match(await failure(t, peer.run(1)), /^a fake: ended with exit code 0$/);
  t.match(await failure(t, peer.run(1)), /^a fake: ended with exit code 0$/, 'and again');
  t.match(
    await failure(t, Peer.start(fake('', 'no-such-program'), noJob, patient)),
    /^a fake: cannot be started: spawn no-such-program ENOENT/,
  );
});

t.test('a line that is no answer is an error', async (t) => {
  for (const line of [
    'hello',
    '[]',
    '{}',
    'null',
    '{"ready":true,"version":1,"settings":"","firstLoss":1}',
  ]) {
    const script = `console.log(${JSON.stringify(line)}); process.stdin.resume();`;
    const message = await failure(t, Peer.start(fake(script), noJob, patient));
    t.ok(message.startsWith(`a fake: got ${JSON.stringify(line)}, expected `), message);
  }
  for (const line of [
    '{"samples":0,"steps":1,"seconds":1,"loss":1}',
    '{"samples":1,"steps":1,"seconds":1}',
  ]) {
    const script = `${readyLine} process.stdin.once('data', () => console.log(${JSON.stringify(line)}));`;
    const peer = await Peer.start(fake(script), noJob, patient);
    t.match(await failure(t, peer.run(1)), /, expected \{"samples", "steps", "seconds", "loss"\}$/);
  }
  const endless = `process.stdout.write('x'.repeat(100_000)); process.stdin.resume();`;
  t.match(await failure(t, Peer.start(fake(endless), noJob, patient)), /wrote more than 65536 characters/);
});

t.test('a peer that does not end by itself is killed, with what it has started', async (t) => {
  const script = `process.on('SIGTERM', () => {});
    const { spawn } = require('node:child_process');
    const { pid } = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    console.log(JSON.stringify({ ready: true, version: String(pid), settings: '', firstLoss: process.pid }));
    setInterval(() => {}, 1000);`;
  const peer = await Peer.start(fake(script), noJob, { ...patient, closeMs: soonMs });
  const pids = [peer.ready.firstLoss, Number(peer.ready.version)];
  t.same(pids.map(isAlive), [true, true]);
  await peer.close();
  t.notOk(isAlive(pids[0]));
  if (process.platform === 'win32') return t.comment('NOT TESTED: Windows has no process groups');
  // A killed orphan is there until it is reaped by whoever adopted it.
  for (let tries = 0; tries < 100 && isAlive(pids[1]); tries++) await new Promise((r) => setTimeout(r, 20));
  t.notOk(isAlive(pids[1]), 'nor what it has started');
});

t.test('peers that are not here are listed with the command that installs them', async (t) => {
  const here = await findPeers({ folder: t.testdir(), cores: 2, pythons: ['no-such-python'] });
  t.same(here.found, []);
  t.same(
    here.missing.map(({ name }) => name),
    ['PyTorch', 'NumPy', 'TensorFlow.js', 'jax-js'],
  );
  for (const { reason, install } of here.missing) {
    t.match(install, /^(npm install --prefix \S+ @|pip install |apt install )/, `${reason}: ${install}`);
  }
});

/** Losses of steps that all have the first batch; in parts, each with moments of its own. */
function referenceLosses(steps: number, momentum: number, parts: number): number[] {
  const network = new ReferenceNetwork(layers, initial, {
    batchNorm: parts === 1 ? 'sync' : 'ghost',
    shardSize: batchSize / parts,
    learningRate: 0.1,
    momentum,
    nesterov: false,
    weightDecay: 0,
  });
  const { pixels, digits } = tinyPixels(batchSize);
  const x = Float64Array.from(pixels, (value) => (value / 255 - scale.mean) * scale.factor);
  return Array.from({ length: steps }, () => network.trainStep(x, digits));
}

/** As in reference.test.ts, where it is derived for 50 steps. */
const tolerance = 1e-5;

const { found, missing } = await findPeers({ folder: defaultPeersFolder, cores: 2 });
for (const { name, reason, install } of missing) {
  t.comment(`${name} IS NOT HERE, so it was NOT compared with the reference: ${reason}; ${install}`);
}

for (const { launches, version } of found) {
  for (const launch of launches) {
    t.test(`${launch.title} ${version} takes the steps of the reference`, async (t) => {
      for (const momentum of launch === launches[0] ? [0, 0.9] : [0.9]) {
        // The batch is all there is, so that shuffling changes nothing but which process has which sample.
        const job = tinyJob(t.testdir(), batchSize, momentum);
        const expected = referenceLosses(4, momentum, launch.settings.processes);
        const peer = await Peer.start(launch, job);
        try {
          t.comment(`${peer.ready.version}: ${peer.ready.settings}`, peer.ready.advice ?? '');
          const losses = [peer.ready.firstLoss];
          while (losses.length < expected.length) {
            const { steps, samples, loss } = await peer.run(1e-9);
            t.same({ steps, samples }, { steps: 1, samples: batchSize });
            losses.push(loss);
          }
          const compared = launch.settings.processes === 1 ? losses.length : 1;
          for (let step = 0; step < compared; step++) {
            const error = Math.abs(losses[step] - expected[step]) / expected[step];
            t.ok(error <= tolerance, `momentum ${momentum}, step ${step}: ${losses[step]} is ${error} off`);
          }
        } finally {
          await peer.close();
        }
      }
    });

    t.test(`${launch.title} ${version} learns, and keeps the time`, async (t) => {
      const peer = await Peer.start(launch, tinyJob(t.testdir(), 3 * batchSize, 0));
      try {
        const seconds = 0.1;
        let loss = Number.NaN;
        for (let steps = 0; steps < 100; ) {
          const run = await peer.run(seconds);
          t.equal(run.samples, run.steps * batchSize);
          t.ok(run.seconds >= seconds, `${run.steps} steps in ${run.seconds} s`);
          steps += run.steps;
          loss = run.loss;
        }
        t.ok(loss < peer.ready.firstLoss / 2, `loss ${peer.ready.firstLoss} → ${loss}`);
      } finally {
        await peer.close();
      }
    });
  }
}
