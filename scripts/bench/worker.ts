/**
 * A worker of a benchmark, as a process of its own with one thread. Its job comes as an argument, the token in the
 * environment. It ends when the coordinator says so, or with its stdin, that is, with whoever started it.
 */
import { reasonOf } from '../../shared/errors.ts';
import { knownAnswerOf, loadKernels } from '../../shared/kernels/load.ts';
import { connect } from '../../worker/connect.ts';
import { work } from '../../worker/worker.ts';
import type { WorkerJob } from './worker-job.ts';

const connectTimeoutMs = 10_000;

process.stdin.once('close', () => process.exit()).resume();

const { url, name, kernels: set } = JSON.parse(process.argv[2]) as WorkerJob;
const kernels = loadKernels(set);
try {
  await work({
    name,
    threads: 1,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache: null },
    connectTimeoutMs,
    rejoinTimeoutMs: 0,
    connect: (events) =>
      connect({
        url,
        token: process.env.LOCKSTEP_TOKEN ?? '',
        fingerprint: null,
        timeoutMs: connectTimeoutMs,
        events,
      }),
  });
  process.exit();
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(1);
}
