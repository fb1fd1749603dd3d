/** Ranks on machines of their own, as far as this one can be several: namespaces with their own addresses and cables. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { lockstep } from '../helpers/cli.ts';
import { linesOf, startJob, survivors } from '../helpers/mpi-job.ts';
import { mpirunsHere } from '../helpers/mpiruns.ts';
import { hasNetworks, Network } from '../helpers/network.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(300_000);

const openMpi = mpirunsHere(t).filter((file) => file.endsWith('openmpi') || file.endsWith('mpirun'));
const recipe = [
  ...['--model', 'dense(300) batchnorm relu dense(10)', '--batch-size', '16', '--shard-size', '2'],
  ...['--data', 'data', '--no-run', '--json', '--quiet'],
];

/**
 * What Open MPI starts its processes on other hosts with; here a host is a namespace. Each has temporary files of its own:
 * processes of Open MPI that make the same folder at once can both fail.
 */
function writeAgent(folder: string, network: Network): string {
  const cases = network.workers.map(({ namespace }, i) => `198.18.0.${i + 2}) space=${namespace};;`);
  const lines = [
    '#!/bin/sh',
    'while case $1 in -*) true;; *) false;; esac; do shift; done',
    'host=$1; shift',
    `case $host in ${cases.join(' ')} *) space=${network.coordinator.namespace};; esac`,
    `TMPDIR='${join(folder, 'tmp')}'/$host; mkdir -p "$TMPDIR"; export TMPDIR`,
    'exec ip netns exec "$space" sh -c "$*"',
  ];
  const path = join(folder, 'agent');
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Bytes that a worker's cable has carried. */
function carried(namespace: string): number {
  const path = '/sys/class/net/cable/statistics/tx_bytes';
  return Number(execFileSync('ip', ['netns', 'exec', namespace, 'cat', path], { encoding: 'utf8' }));
}

function commandFor(mpirun: string, agent: string, network: Network): string[] {
  const hosts = ['198.18.0.1', ...network.workers.map((_, i) => `198.18.0.${i + 2}`)];
  const only = (what: string) => ['--mca', what, '198.18.0.0/24'];
  return [
    ...['ip', 'netns', 'exec', network.coordinator.namespace, mpirun],
    ...['--mca', 'plm', 'rsh', '--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'self,tcp'],
    ...[...only('oob_tcp_if_include'), ...only('btl_tcp_if_include')],
    ...['--host', hosts.map((host) => `${host}:1`).join(',')],
  ];
}

/** What Open MPI does not see is that it is one machine, which the ranks would. */
const spread = ['--transport', 'mpi', '--no-shared-memory'];

const canRun = openMpi.length > 0 && hasNetworks(t);

t.test(
  'ranks on three addresses have the bits of one thread',
  { skip: !canRun && 'said above' },
  async (t) => {
    const cwd = t.testdir({});
    writeTinyData(join(cwd, 'data'));
    const network = new Network(t, 'mpi', 2);
    const command = commandFor(openMpi[0], writeAgent(cwd, network), network);
    for (const batchNorm of ['sync', 'ghost']) {
      const args = ['train', ...recipe, '--batch-norm', batchNorm, '--epochs', '20'];
      const before = carried(network.workers[0].namespace);
      const job = startJob(t, {
        cwd,
        command,
        args: Array.from({ length: 3 }, () => [...args, ...spread, '--threads', '2']),
      });
      const { code, stdout, stderr } = await job.finished;
      t.equal(code, 0, stderr);
      const alone = await lockstep([...args, '--threads', '1'], { cwd });
      const [summary, expected] = [stdout, alone.stdout].map((text) => JSON.parse(text || '{}'));
      t.equal(summary.workers, 3);
      t.equal(summary.weightsDigest, expected.weightsDigest, `${batchNorm}: weights`);
      t.equal(summary.stateDigest, expected.stateDigest, `${batchNorm}: state`);
      const gradient = 4 * 784 * 300;
      const perStep = (carried(network.workers[0].namespace) - before) / summary.steps;
      t.ok(perStep > gradient, `${Math.round(perStep)} bytes a step left by the cable`);
    }
  },
);

t.test('a cable is cut: all ranks end, and the run goes on', { skip: !canRun && 'said above' }, async (t) => {
  const cwd = t.testdir({});
  writeTinyData(join(cwd, 'data'));
  const network = new Network(t, 'cut', 2);
  const command = commandFor(openMpi[0], writeAgent(cwd, network), network);
  const own = recipe.filter((word) => word !== '--no-run');
  const args = ['train', ...own, '--epochs', '4000', '--run', 'run', ...spread, '--step-timeout', '3s'];
  const job = startJob(t, {
    cwd,
    command,
    args: Array.from({ length: 3 }, () => [...args, '--threads', '1']),
  });
  const pids = await job.pids();
  const checkpoints = join(cwd, 'run', 'checkpoints');
  while (!existsSync(checkpoints) || readdirSync(checkpoints).length === 0) await setTimeout(20);
  network.workers[1].plug(false);
  t.same(await survivors(pids), [], 'no rank is left');
  // mpirun itself has not noticed yet that it has lost the host, and would wait for it.
  job.kill();
  const { stderr } = await job.finished;
  const lines = linesOf({ stderr });
  t.equal(lines.length, 1, stderr);
  t.match(lines[0], /rank 2 (\(.+\) )?did not come/);
  t.ok(readdirSync(checkpoints).length > 0, `${readdirSync(checkpoints).length} checkpoints to go on from`);
});
