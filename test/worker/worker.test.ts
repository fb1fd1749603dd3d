/** How a worker comes back. */
import t from 'tap';
import { loadKernels } from '../../shared/kernels/load.ts';
import type { WorkerLink } from '../../shared/wire/link.ts';
import { work } from '../../worker/worker.ts';

const link: WorkerLink = {
  address: '127.0.0.1:1',
  bufferedBytes: 0,
  send: () => {},
  sendFrame: () => {},
  whenBelow: (_, callback) => queueMicrotask(callback),
  openBulk: async () => {},
  close: () => {},
  destroy: () => {},
};

t.test('a worker that is let in and lost at once waits longer each time before it comes back', async (t) => {
  const connectedMs: number[] = [];
  const leaving = new AbortController();
  const reason = await work({
    name: 'worker',
    threads: 1,
    kernels: loadKernels('wasm'),
    answer: '0'.repeat(64),
    data: { data: null, cache: null },
    connectTimeoutMs: 1_000,
    rejoinTimeoutMs: 1_000,
    signal: leaving.signal,
    connect: async (events) => {
      connectedMs.push(performance.now());
      if (connectedMs.length === 4) leaving.abort();
      queueMicrotask(() => events.closed('cut'));
      return link;
    },
  });
  t.equal(reason, 'interrupted');
  const gaps = connectedMs.slice(1).map((ms, i) => ms - connectedMs[i]);
  t.equal(gaps.length, 3);
  // Half of 250 ms at least, and twice as much each time; timers may fire up to a millisecond early.
  for (const [i, ms] of gaps.entries()) t.ok(ms >= 125 * 2 ** i - 1, `${ms.toFixed(0)} ms`);
});
