/** PyTorch's processes: what is said where they cannot be, and that none outlives the first. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { Peer, type PeerLaunch } from '../../../scripts/bench/peers/peer.ts';
import { findPeers } from '../../../scripts/bench/peers/peers.ts';
import { defaultPeersFolder } from '../../../scripts/commands/flags.ts';
import { whenShown } from '../../helpers/cli.ts';
import { hasSignals } from '../../helpers/platform.ts';
import { childrenWhen, showsChildren, survivorsOf } from '../../helpers/process-ids.ts';
import { batchSize, tinyJob } from '../../helpers/tiny-peer-job.ts';

t.setTimeout(120_000);

const { found } = await findPeers({ folder: defaultPeersFolder, cores: 2 });
const launch = found
  .flatMap(({ launches }) => launches)
  .find(({ title }) => title.includes('DistributedDataParallel'));

if (launch === undefined) t.comment('PyTorch IS NOT HERE, so its processes were NOT TESTED');
else {
  t.test('they say how a batch is split', async (t) => {
    const peer = await Peer.start(launch, tinyJob(t.testdir(), batchSize, 0));
    await peer.close();
    t.match(peer.ready.settings, /Gloo, 2 processes of 1 thread.*, each with 8 of the batch's 16 samples/);
  });

  for (const [what, changed, says] of [
    ['torch.distributed', 'is_available', /has no torch\.distributed; install one that is built with it/],
    ['Gloo', 'is_gloo_available', /torch\.distributed has no Gloo; install one that is built with it/],
  ] as const) {
    t.test(`a PyTorch without ${what} says so`, async (t) => {
      const folder = t.testdir({
        'sitecustomize.py': `import torch.distributed\ntorch.distributed.${changed} = lambda: False\n`,
      });
      const job = tinyJob(folder, batchSize, 0);
      const lacking: PeerLaunch = { ...launch, environment: { ...launch.environment, PYTHONPATH: folder } };
      await t.rejects(Peer.start(lacking, job), { code: 'PEER', message: says });
    });
  }

  for (const when of ['while they look for each other', 'when they wait for their turn']) {
    t.test(`none outlives the first one, killed ${when}`, async (t) => {
      if (!hasSignals(t) || !showsChildren(t)) return;
      const { command, args, environment, settings } = launch;
      const job = JSON.stringify({ ...tinyJob(t.testdir(), batchSize, 0), ...settings });
      const child = spawn(command, [...args, job], {
        env: { ...process.env, ...environment },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const ended = once(child, 'exit');
      const ready = new Promise<void>((resolve) => whenShown(child.stdout, '"ready"', resolve));
      if (when === 'when they wait for their turn') await ready;
      // One is Python's own, which looks after what they share.
      const others = await childrenWhen(child.pid ?? 0, 2);
      t.equal(others.length, 2, 'they were there');
      child.kill('SIGKILL');
      await ended;
      t.same(await survivorsOf(others), []);
    });
  }
}
