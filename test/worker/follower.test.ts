/** How a worker follows a run: what it computes when, and what it does not take. */
import t from 'tap';
import type { Frame } from '../../shared/wire/frame.ts';
import { Follower, type FollowerEvent } from '../../worker/follower.ts';
import { stillClock } from '../helpers/recording-link.ts';
import { RecordingWorkerLink } from '../helpers/recording-worker-link.ts';

const exchanges = 3;
const node = (lo: number, hi: number) => ({ lo, hi });
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A follower, and in words what is done for it; a computation ends when `finish` is called, if it is held. */
function newFollower({ holds = false } = {}) {
  const link = new RecordingWorkerLink();
  const did: string[] = [];
  const events: FollowerEvent[] = [];
  const failures: unknown[] = [];
  let finish = () => {};
  const work = (what: string): Promise<void> => {
    did.push(what);
    if (!holds) return Promise.resolve();
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const follower = new Follower(
    {
      memory: {
        totalBytes: Array.from({ length: exchanges }, () => 4),
        enterStep: (committed) => committed % 10,
        replicaChunk: (_, panel) => panel === 1,
        checksum: (committed) => `checksum of ${committed}`,
        updateChecksum: 0x1234n,
        writeTotal: (exchange) => void did.push(`total ${exchange}`),
        evaluationOf: () => new Uint8Array(1),
      },
      crew: {
        compute: async (how, step, exchange, nodes, take) => {
          await work(`${how} ${step}.${exchange} ${nodes.map(({ lo, hi }) => `${lo}–${hi}`).join()}`);
          for (const one of nodes) take(one, new Uint8Array(8));
        },
        apply: (step) => work(`apply ${step}`),
        evaluate: (_, { from, to }) => work(`evaluate ${from}–${to}`),
        resumeAt: (committed) => void did.push(`resume at ${committed}`),
        record: () => {},
        recorded: () => [],
      },
    },
    {
      link,
      clock: stillClock,
      run: 7,
      watch: { applied: () => {} },
      onEvent: (event) => events.push(event),
      onFailure: (error) => failures.push(error),
    },
  );
  const frame = (type: Frame['type'], step: number, exchange: number, more: Partial<Frame> = {}) =>
    follower.frame({
      ...{ type, run: 7, step, exchange, lo: 0, hi: 0, panel: 0, microseconds: 0 },
      payload: new Uint8Array(4),
      ...more,
    });
  return {
    follower,
    link,
    did,
    events,
    failures,
    total: (step: number, exchange: number) => frame('total', step, exchange),
    frame,
    /** Sends a whole replica. */
    replica: (step: number, number = 0) => {
      for (const panel of [0, 1]) frame('replica', step, 0, { lo: number, panel });
    },
    finish: () => finish(),
  };
}

t.test('with a replica it says so, and proves it', async (t) => {
  const { link, did, events, replica } = newFollower();
  replica(40);
  await turn();
  t.same(did, ['resume at 40']);
  t.same(events, [{ kind: 'ready', step: 40 }]);
  t.same(link.messages, [
    { type: 'ready', step: 40 },
    { type: 'checksum', step: 40, sha256: 'checksum of 40' },
  ]);
});

t.test('a step goes from total to total with what is held, and its partials are sent', async (t) => {
  const { follower, link, did, events, replica, total } = newFollower();
  replica(40);
  follower.assign(40, [node(0, 2)]);
  await turn();
  total(40, 0);
  await turn();
  follower.assign(40, [node(4, 8), node(8, 9)]);
  await turn();
  total(40, 1);
  total(40, 2);
  await turn();
  t.same(did.slice(1), [
    ...['begin 0.0 0–2', 'total 0', 'advance 0.1 0–2', 'extend 0.1 4–8,8–9'],
    ...['total 1', 'advance 0.2 0–2,4–8,8–9', 'total 2', 'apply 0'],
  ]);
  t.same(
    link.frames.map(({ type, step, exchange, lo, hi }) => `${type} ${step}.${exchange} ${lo}–${hi}`),
    [
      ...['partial 40.0 0–2', 'partial 40.1 0–2', 'partial 40.1 4–8', 'partial 40.1 8–9'],
      ...['partial 40.2 0–2', 'partial 40.2 4–8', 'partial 40.2 8–9'],
    ],
  );
  t.same(events.at(-1), { kind: 'computed', step: 40, shards: 7 });
});

t.test('what is asked for before its step is there waits for it', async (t) => {
  const { follower, did, replica, total } = newFollower();
  follower.assign(42, [node(0, 1)]);
  follower.evaluate({ step: 41, from: 0, to: 3 });
  replica(40);
  await turn();
  t.same(did, ['resume at 40']);
  total(40, 2);
  await turn();
  t.same(did.slice(1), ['total 2', 'apply 0', 'evaluate 0–3']);
  total(41, 2);
  await turn();
  t.same(did.slice(-1), ['begin 2.0 0–1']);
  follower.assign(41, [node(0, 1)]);
  await turn();
  t.same(did.slice(-1), ['begin 2.0 0–1'], 'what is asked for too late is others’ business');
});

t.test('who computes nothing needs the last total only; others are taken in order, once', async (t) => {
  const { follower, did, replica, total, frame } = newFollower();
  replica(40);
  total(40, 0);
  total(40, 2);
  follower.assign(41, [node(0, 1)]);
  await turn();
  const before = did.length;
  total(40, 2); // once more
  total(41, 1); // before its turn
  total(42, 0);
  frame('total', 41, 0, { payload: new Uint8Array(8) });
  frame('total', 41, exchanges);
  await turn();
  t.equal(follower.dropped, 5);
  t.equal(did.length, before);
  total(41, 0);
  await turn();
  t.same(did.slice(before), ['total 0', 'advance 1.1 0–1']);
});

t.test('without a replica no total is taken', async (t) => {
  const { follower, did, total } = newFollower();
  total(0, 2);
  await turn();
  t.equal(follower.dropped, 1);
  t.same(did, []);
});

t.test('after a resync it computes what was asked for after it, whichever comes first', async (t) => {
  for (const isFirst of [true, false]) {
    const { follower, did, replica } = newFollower();
    replica(40);
    await turn();
    follower.assign(50, [node(0, 4)]);
    if (isFirst) follower.resync();
    replica(50, 1);
    await turn();
    if (!isFirst) {
      t.same(did, ['resume at 40', 'resume at 50'], 'nothing is begun before the word');
      follower.resync();
    }
    follower.assign(50, [node(6, 8)]);
    await turn();
    t.same(did.slice(-2), ['resume at 50', 'begin 0.0 6–8']);
  }
});

t.test('it proves its replica every 64 steps', async (t) => {
  const { link, replica, total } = newFollower();
  replica(62);
  total(62, 2);
  total(63, 2);
  await turn();
  const proofs = link.messages.flatMap((one) => (one.type === 'checksum' ? [one.step] : []));
  t.same(proofs, [62, 64]);
});

t.test('shards that are assigned twice would give other bits, so it goes no further', async (t) => {
  const { follower, failures, replica } = newFollower();
  replica(40);
  follower.assign(40, [node(0, 4)]);
  await turn();
  follower.assign(40, [node(3, 4)]);
  await turn();
  t.match(failures, [
    {
      code: 'REFUSED',
      message:
        /^coordinator 10\.0\.0\.7:7077: it assigned shards 3–3 of step 41 twice, expected once; install/,
    },
  ]);
});

t.test('it does one thing at a time, and when it is stopped nothing more', async (t) => {
  const { follower, did, replica, finish } = newFollower({ holds: true });
  replica(40);
  follower.assign(40, [node(0, 1)]);
  await turn();
  follower.evaluate({ step: 40, from: 0, to: 1 });
  await turn();
  t.same(did.slice(1), ['begin 0.0 0–1']);
  let isStopped = false;
  const stopped = follower.stop().then(() => {
    isStopped = true;
  });
  await turn();
  t.equal(isStopped, false, 'it still computes');
  finish();
  await stopped;
  follower.assign(40, [node(1, 2)]);
  await turn();
  t.same(did.slice(1), ['begin 0.0 0–1']);
});
