/** How a worker comes back, and how it ends. */
import t from 'tap';
import { loadKernels } from '../../shared/kernels/load.ts';
import type { ToWorker } from '../../shared/wire/messages.ts';
import { type WorkerEvent, type WorkerOptions, work } from '../../worker/worker.ts';
import { RecordingWorkerLink } from '../helpers/recording-worker-link.ts';

/** Lives as a worker whose connections are links that do nothing, and tells what happens. */
function live(connect: WorkerOptions['connect'], more: Partial<WorkerOptions> = {}) {
  const events: WorkerEvent[] = [];
  const reason = work({
    name: 'worker',
    threads: 1,
    kernels: loadKernels('wasm'),
    answer: '0'.repeat(64),
    data: { data: null, cache: null },
    connectTimeoutMs: 10_000,
    rejoinTimeoutMs: 10_000,
    onEvent: (event) => events.push(event),
    connect,
    ...more,
  });
  return { reason, events };
}

/** A connection that is opened and lost at once. */
const cut: WorkerOptions['connect'] = async (events) => {
  queueMicrotask(() => events.closed('cut'));
  return new RecordingWorkerLink();
};

/** One over which the coordinator says a word. */
const says =
  (message: ToWorker): WorkerOptions['connect'] =>
  async (events) => {
    setImmediate(() => events.message(message));
    return new RecordingWorkerLink();
  };

t.test('a worker that is let in and lost at once waits longer each time before it comes back', async (t) => {
  const connectedMs: number[] = [];
  const leaving = new AbortController();
  const { reason } = live(
    (events) => {
      connectedMs.push(performance.now());
      if (connectedMs.length === 4) leaving.abort();
      return cut(events);
    },
    { signal: leaving.signal },
  );
  t.equal(await reason, 'interrupted');
  const gaps = connectedMs.slice(1).map((ms, i) => ms - connectedMs[i]);
  t.equal(gaps.length, 3);
  // Half of 250 ms at least, and twice as much each time; timers may fire up to a millisecond early.
  for (const [i, ms] of gaps.entries()) t.ok(ms >= 125 * 2 ** i - 1, `${ms.toFixed(0)} ms`);
});

t.test('it does not come back for ever, though every time it is let in', async (t) => {
  let connections = 0;
  const { reason, events } = live(
    (listener) => {
      connections += 1;
      return cut(listener);
    },
    { rejoinTimeoutMs: 400 },
  );
  await t.rejects(reason, {
    code: 'CONNECTION',
    message: 'coordinator 10.0.0.7:7077: cut; tried again for 0.4 s (--rejoin)',
  });
  const lost = events.flatMap((event) => (event.kind === 'lost' ? [event.seconds] : []));
  t.equal(lost.length, connections);
  t.ok(connections > 1, 'it came back');
  t.ok(lost[0] < 0.401, 'what is left of the time is told; its last bits are those of a clock');
  t.equal(lost.at(-1), 0);
  for (const [i, seconds] of lost.entries()) t.ok(i === 0 || seconds < lost[i - 1], `${seconds} s`);
});

t.test('who is not to come back is not tried again', async (t) => {
  const { reason, events } = live(cut, { rejoinTimeoutMs: 0 });
  await t.rejects(reason, {
    code: 'CONNECTION',
    message: 'coordinator 10.0.0.7:7077: cut; not tried again (--rejoin)',
  });
  t.same(events, [{ kind: 'lost', reason: 'cut', seconds: 0 }]);
});

t.test('the end of a run is its reason, and an error where the run failed', async (t) => {
  const done = live(says({ type: 'end', reason: 'the run is done', failed: false }));
  t.equal(await done.reason, 'the run is done');
  const failed = live(says({ type: 'end', reason: 'the run failed: NaN', failed: true }));
  await t.rejects(failed.reason, {
    code: 'RUN',
    exitCode: 1,
    message: 'coordinator 10.0.0.7:7077: the run failed: NaN',
  });
});

t.test('one who is refused does not come back', async (t) => {
  const refused = live(says({ type: 'refuse', reason: 'another version' }));
  await t.rejects(refused.reason, {
    code: 'REFUSED',
    message: 'the coordinator refused this worker: another version',
  });
});
