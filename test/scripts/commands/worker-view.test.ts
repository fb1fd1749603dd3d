/** What a worker shows. */
import t from 'tap';
import { Screen } from '../../../scripts/commands/screen.ts';
import type { WorkerPlan } from '../../../scripts/commands/worker.ts';
import { WorkerView } from '../../../scripts/commands/worker-view.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { canonicalJson } from '../../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../../shared/recipe/resolve.ts';
import type { WorkerEvent } from '../../../worker/worker.ts';
import { FakeTerminal } from '../../helpers/terminal.ts';

const url = 'ws://127.0.0.1:7077';
const plan: WorkerPlan = {
  way: { url, token: 'a-token', fingerprint: null, timeoutMs: 1 },
  address: '127.0.0.1:7077',
  name: 'mara',
  threads: 2,
  kernels: loadKernels('exact'),
  waitMs: 10_000,
  rejoinMs: 600_000,
  data: null,
};
const draft = draftRecipe({ model: 'dense(10)', batchSize: 64, shardSize: 16, epochs: 2 }, (key) => key);
const welcomed: WorkerEvent = {
  kind: 'welcomed',
  name: 'mara-2',
  welcome: {
    type: 'welcome',
    version: '1.0.0',
    run: 1,
    ticket: 'x',
    name: 'mara-2',
    recipe: canonicalJson(finishRecipe(draft, '0'.repeat(64))),
    samples: { train: 128, test: 10 },
  },
};
const life: readonly WorkerEvent[] = [
  { kind: 'retrying', reason: 'nobody listens there', seconds: 0.25 },
  { kind: 'retrying', reason: 'nobody listens there', seconds: 0.5 },
  welcomed,
  { kind: 'fetching' },
  { kind: 'progress', bytes: 1_000_000, total: 2_000_000 },
  { kind: 'data', from: 'fetched' },
  { kind: 'ready', step: 0 },
  { kind: 'computed', step: 0, shards: 3 },
  { kind: 'computed', step: 1, shards: 1 },
  { kind: 'lost', reason: 'the connection was lost' },
  welcomed,
  { kind: 'data', from: 'own' },
  { kind: 'ready', step: 2 },
  { kind: 'computed', step: 2, shards: 0 },
];

t.test('its life in plain lines, and what it did in all', (t) => {
  const terminal = new FakeTerminal(80, false);
  const view = new WorkerView(new Screen(terminal.stream, false), plan);
  view.start();
  for (const event of life) view.event(event);
  view.finish('the run is done');
  t.notMatch(terminal.raw.replaceAll('\n', ''), /\p{Cc}/u);
  const epoch = terminal.lines.findIndex((line) => line.startsWith('epoch'));
  t.match(terminal.lines[epoch], /^epoch 1\/2 {2}50\.00 % of the shards here +0\.0 s +[\d,]+ samples\/s$/);
  t.same(
    terminal.lines.filter((_, i) => i > 0 && i !== epoch),
    [
      'connecting to 127.0.0.1:7077',
      'nobody listens there',
      `connected to ${url} as mara-2`,
      ...['recipe  0d8a3c6c', 'model   dense(10)', 'steps   2 epochs of 2, 4 shards of 16 samples each'],
      'fetching the data from the coordinator',
      'data    from the coordinator, kept for the next time',
      'ready',
      'connection lost: the connection was lost; trying again for 10:00',
      `connected to ${url} as mara-2`,
      ...['recipe  0d8a3c6c', 'model   dense(10)', 'steps   2 epochs of 2, 4 shards of 16 samples each'],
      'data    own copy',
      'ready, from step 3 on',
      'over: the run is done',
      '4 shards in 2 steps computed here, 2 sessions',
      '',
    ].map((line) => line.replace('0d8a3c6c', terminal.lines[4].slice(-8))),
  );
  t.same(view.account, { name: 'mara-2', shards: 4, steps: 2, sessions: 2 });
  t.end();
});

t.test('on a terminal one line moves, within its columns', async (t) => {
  for (const columns of [80, 40]) {
    const terminal = new FakeTerminal(columns);
    const view = new WorkerView(new Screen(terminal.stream, false), plan);
    view.start();
    for (const event of life.slice(0, 8)) view.event(event);
    while (!terminal.lines.at(-1)?.startsWith('epoch')) await terminal.written();
    const moving = 'epoch 1/2 step 1/2 shards 3/4 ';
    t.equal(terminal.lines.at(-1)?.slice(0, moving.length), moving);
    t.ok((terminal.lines.at(-1)?.length ?? 99) <= columns - 3);
    view.stop();
    t.equal(terminal.lines.at(-1), '', 'it is gone');
  }
});
