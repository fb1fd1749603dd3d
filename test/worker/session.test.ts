/** What a session makes of what the coordinator says, and of a connection that ends at a bad moment. */
import t from 'tap';
import { LockstepError } from '../../shared/errors.ts';
import { canonicalJson } from '../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../shared/recipe/resolve.ts';
import type { Frame } from '../../shared/wire/frame.ts';
import { silenceMs } from '../../shared/wire/limits.ts';
import type { Welcome } from '../../shared/wire/messages.ts';
import type { Prepared, RunMemory } from '../../worker/crew.ts';
import type { DataSink } from '../../worker/data-intake.ts';
import { Session, type SessionEvent, type SessionOptions } from '../../worker/session.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { RecordingWorkerLink } from '../helpers/recording-worker-link.ts';
import { helloOf } from '../helpers/workers.ts';

const draft = draftRecipe({ model: 'dense(10)', batchSize: 4, epochs: 1 }, (key) => key);
const recipe = finishRecipe(draft, 'a'.repeat(64));
const samples = { train: 8, test: 8 };
const welcome: Welcome = {
  type: 'welcome',
  ...{ version: '1', run: 7, ticket: 'ticket', name: 'ada', samples },
  recipe: canonicalJson(recipe),
};

const memory: RunMemory = {
  totalBytes: [4],
  enterStep: () => 0,
  replicaChunk: () => true,
  checksum: () => 'c'.repeat(64),
  updateChecksum: 1n,
  writeTotal: () => {},
  evaluationOf: () => new Uint8Array(1),
};
const prepared: Prepared = {
  memory,
  crew: {
    compute: async () => {},
    apply: async () => {},
    evaluate: async () => {},
    resumeAt: () => {},
    record: () => {},
    recorded: () => [],
  },
};

/** Whole with its second chunk. */
const sink = { chunk: (panel: number) => panel === 1 };

const frameOf = (type: Frame['type'], panel = 0, run = 7): Frame => ({
  ...{ type, run, step: 0, exchange: 0, lo: 0, hi: 0, panel, microseconds: 0 },
  payload: new Uint8Array(4),
});

type Fetch = (sink: DataSink) => Promise<void>;

function begin(prepare: (fetch: Fetch) => Promise<Prepared>, more: Partial<SessionOptions> = {}) {
  const link = new RecordingWorkerLink();
  const clock = new ManualClock();
  const events: SessionEvent['kind'][] = [];
  const session = new Session(link, {
    clock,
    hello: helloOf(1, 1),
    payloadBytes: () => 64,
    prepare: (_, fetch) => prepare(fetch),
    onEvent: ({ kind }) => events.push(kind),
    ...more,
  });
  return { session, link, clock, events };
}

/** Something that happens when a test says so. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

t.test('its life: hello, data, join, replica, end', async (t) => {
  const { session, link, clock, events } = begin(async (fetch) => {
    await fetch(sink);
    return prepared;
  });
  session.frame(frameOf('data'));
  session.message(welcome);
  await turn();
  for (const panel of [0, 1]) session.frame(frameOf('data', panel));
  await turn();
  for (const frame of [frameOf('replica'), frameOf('total', 0, 8), frameOf('partial')]) session.frame(frame);
  t.same(link.sent, ['hello', 'fetch', 'join', 'ready', 'checksum']);
  t.same(events, ['welcomed', 'fetching', 'ready']);
  t.equal(session.dropped, 3, 'frames before the welcome, of another run, and of no use');
  session.frame(frameOf('replica'));
  await turn();
  t.equal(session.dropped, 4, 'a replica that came twice');
  session.message({ type: 'end', reason: 'the run is done', failed: false });
  t.same(await session.ended, { kind: 'over', reason: 'the run is done' });
  t.equal(link.ended, 'closed: the run is done');
  t.equal(clock.waiting, 0, 'no timer is left');
});

t.test('a ping is answered at once, whatever else is under way', async (t) => {
  const { session, link } = begin(() => new Promise(() => {}));
  session.message({ type: 'ping', number: 1 });
  session.message(welcome);
  session.message({ type: 'ping', number: 2 ** 32 - 1 });
  t.same(
    link.messages.filter(({ type }) => type === 'pong'),
    [
      { type: 'pong', number: 1 },
      { type: 'pong', number: 2 ** 32 - 1 },
    ],
  );
  session.leave('the test is over');
});

t.test('it tells how it spent the steps that it is asked for, from the first on', async (t) => {
  const segments = [{ phase: 'update', from: 0, to: 2 }] as const;
  let every = -1;
  const crew = {
    ...prepared.crew,
    record: (n: number) => {
      every = n;
    },
    recorded: () => (every === 0 ? [] : [{ committed: 0, startMs: 0, threads: [segments] }]),
  };
  const { session, link } = begin(async () => ({ memory, crew }));
  session.message(welcome);
  session.message({ type: 'watch', every: 8 });
  t.equal(every, -1, 'there is no crew yet');
  await turn();
  t.equal(every, 8);
  session.frame(frameOf('replica'));
  await turn();
  session.frame(frameOf('total'));
  await turn();
  t.match(link.messages.at(-1), { type: 'timeline', step: 0, threads: ['0f2000'] });
  session.message({ type: 'watch', every: 0 });
  t.equal(every, 0);
  session.leave('the test is over');
});

t.test('a run that failed ends in another way than one that is done', async (t) => {
  const { session } = begin(async () => prepared);
  session.message({ type: 'end', reason: 'the run failed: NaN', failed: true });
  t.same(await session.ended, { kind: 'broken', reason: 'the run failed: NaN' });
});

t.test(
  'a bulk connection that cannot be opened is a lost connection, after which a worker comes back',
  async (t) => {
    for (const code of ['CONNECTION', 'REFUSED'] as const) {
      const link = new RecordingWorkerLink(() => Promise.reject(new LockstepError(code, 'no way')));
      const session = new Session(link, {
        clock: new ManualClock(),
        hello: helloOf(1, 1),
        payloadBytes: () => 64,
        prepare: () => Promise.reject(new Error('nothing is to be prepared')),
      });
      session.message(welcome);
      t.match(await session.ended, { kind: 'lost', reason: 'no way' });
      t.equal(link.ended, 'destroyed');
      t.same(link.sent, ['hello'], 'and no farewell');
    }
  },
);

/** Ways in which a session may end while the worker looks for the data. */
const endings: Readonly<Record<string, (session: Session, clock: ManualClock) => void>> = {
  left: (session) => session.leave('interrupted'),
  lost: (session) => session.closed('the connection was lost'),
  'lost, by silence': (_, clock) => clock.advance(2 * silenceMs),
  over: (session) => session.message({ type: 'end', reason: 'the run is done', failed: false }),
};

for (const [how, end] of Object.entries(endings)) {
  const [kind] = how.split(',');
  t.test(`${how}, while the worker looks for the data: asking for it afterwards fails at once`, async (t) => {
    const looked = gate();
    let failure: unknown = null;
    const { session, link, clock, events } = begin(async (fetch) => {
      await looked.opened;
      await fetch(sink).catch((error: unknown) => {
        failure = error;
        throw error;
      });
      return prepared;
    });
    session.message(welcome);
    await turn();
    end(session, clock);
    let hasEnded = false;
    const ended = session.ended.then((one) => {
      hasEnded = true;
      return one;
    });
    await turn();
    t.equal(hasEnded, false, 'it has not ended as long as somebody prepares for it');
    looked.open();
    t.match(await ended, { kind });
    t.match(failure, { message: /./ });
    t.notOk(link.sent.includes('fetch'));
    t.notOk(link.sent.includes('join'));
    t.same(events, ['welcomed'], 'and nothing is told of it');
  });

  t.test(`${how}, while the data comes: whoever waits for it is told`, async (t) => {
    const { session, link, clock } = begin(async (fetch) => {
      await fetch(sink);
      return prepared;
    });
    session.message(welcome);
    await turn();
    session.frame(frameOf('data'));
    end(session, clock);
    t.match(await session.ended, { kind });
    t.ok(link.sent.includes('fetch'));
    t.notOk(link.sent.includes('join'));
  });
}

t.test('what the coordinator must not say ends the session, and both sides hear why', async (t) => {
  for (const [says, ...messages] of [
    [/its recipe: got "\{oops", expected JSON/, { ...welcome, recipe: '{oops' }],
    [/it said welcome twice, expected once/, welcome, welcome],
  ] as const) {
    const { session, link } = begin(async () => prepared);
    for (const message of messages) session.message(message);
    const end = await session.ended;
    t.match(end, { kind: 'failed', error: { code: 'REFUSED', message: says } });
    t.match(link.messages.at(-1), { type: 'leave', reason: says });
  }
});

t.test('an error of whoever is told of an event ends the session, and nothing else', async (t) => {
  const { session, link } = begin(async () => prepared, {
    onEvent: ({ kind }) => {
      if (kind === 'resync') throw new Error('no screen');
    },
  });
  session.message(welcome);
  await turn();
  session.message({ type: 'resync', reason: 'late' });
  t.match(await session.ended, { kind: 'failed', reason: 'failed: no screen' });
  t.match(link.messages.at(-1), { type: 'leave', reason: 'failed: no screen' });
});
