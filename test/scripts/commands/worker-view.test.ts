/** What a worker shows. */
import t from 'tap';
import { Screen } from '../../../scripts/commands/screen.ts';
import type { WorkerPlan } from '../../../scripts/commands/worker.ts';
import { WorkerView } from '../../../scripts/commands/worker-view.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { recipeId } from '../../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../../shared/recipe/resolve.ts';
import type { WorkerEvent } from '../../../worker/worker.ts';
import { FakeTerminal } from '../../helpers/terminal.ts';

const url = 'ws://127.0.0.1:7077';
const plan: WorkerPlan = {
  way: { url, token: 'a-token', fingerprint: null, timeoutMs: 1 },
  address: '127.0.0.1:7077',
  name: 'mara',
  threads: 2,
  kernels: {
    ...loadKernels('exact'),
    reason: 'with a reason that takes more than one line, as they do at times',
  },
  waitMs: 10_000,
  rejoinMs: 600_000,
  data: null,
};
const draft = draftRecipe({ model: 'dense(10)', batchSize: 64, shardSize: 16, epochs: 2 }, (key) => key);
const recipe = finishRecipe(draft, '0'.repeat(64));
/** An epoch is a batch of four shards and one of two. */
const job = { recipe, samples: { train: 88, test: 10 } };
const welcomed: WorkerEvent = { kind: 'welcomed', name: 'mara-2', job };
const life: readonly WorkerEvent[] = [
  { kind: 'retrying', reason: 'nobody listens there', seconds: 0.25 },
  { kind: 'retrying', reason: 'nobody listens there', seconds: 0.5 },
  welcomed,
  { kind: 'fetching' },
  { kind: 'progress', bytes: 1_000_000, total: 2_000_000 },
  { kind: 'data', from: 'kept' },
  { kind: 'ready', step: 0 },
  { kind: 'computed', step: 0, shards: 3 },
  { kind: 'computed', step: 1, shards: 1 },
  { kind: 'lost', reason: 'the connection was lost', seconds: 600 },
  welcomed,
  { kind: 'data', from: 'own' },
  { kind: 'ready', step: 2 },
  { kind: 'computed', step: 2, shards: 0 },
  { kind: 'computed', step: 3, shards: 1 },
];

/** The lines that it shows of some events, each without a terminal. */
function linesOf(events: readonly WorkerEvent[]): string[] {
  const terminal = new FakeTerminal(80, false);
  const view = new WorkerView(new Screen(terminal.stream, false), plan);
  for (const event of events) view.event(event);
  return terminal.lines.slice(0, -1);
}

t.test('its life in plain lines, and what it did in all', (t) => {
  const terminal = new FakeTerminal(80, false);
  const view = new WorkerView(new Screen(terminal.stream, false), plan);
  view.start();
  for (const event of life) view.event(event);
  view.finish('the run is done');
  t.notMatch(terminal.raw.replaceAll('\n', ''), /\p{Cc}/u);
  const isEpoch = (line: string) => line.startsWith('epoch');
  const epochs = terminal.lines.filter(isEpoch);
  t.equal(epochs.length, 2);
  // Four shards of six; and of the second epoch, in which it takes part from the start, one.
  t.match(epochs[0], /^epoch 1\/2 {2}66\.67 % of the shards here +0\.0 s +[\d,]+ samples\/s$/);
  t.match(epochs[1], /^epoch 2\/2 {2}16\.67 % of the shards here +0\.0 s +[\d,]+ samples\/s$/);
  for (const line of terminal.lines) t.ok(line.length <= 80, line);
  t.equal(terminal.lines[0].replace(/\d+\.\d+\.\d+/, 'X'), 'Lockstep X: worker, 2 threads');
  const connecting = terminal.lines.indexOf('connecting to 127.0.0.1:7077');
  t.match(terminal.lines.slice(1, connecting).join(' '), /^exact kernels: /);
  t.same(
    terminal.lines.filter((line, i) => i >= connecting && !isEpoch(line)),
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
      '5 shards in 3 steps computed here, 2 sessions',
      '',
    ].map((line) => line.replace('0d8a3c6c', recipeId(recipe).slice(0, 8))),
  );
  t.same(view.account, { name: 'mara-2', shards: 5, steps: 3, sessions: 2 });
  t.end();
});

t.test('data is said to be kept where it was, and a worker to come back where it does', (t) => {
  t.same(
    linesOf([
      { kind: 'data', from: 'fetched' },
      { kind: 'data', from: 'cached' },
      { kind: 'lost', reason: 'cut', seconds: 0 },
      { kind: 'lost', reason: 'cut', seconds: 61 },
    ]),
    [
      'data    from the coordinator',
      'data    kept from an earlier run',
      'connection lost: cut',
      'connection lost: cut; trying again for 1:01',
    ],
  );
  t.end();
});

t.test(
  'a run that failed, or none at all: what was computed here is shown, the error by somebody else',
  (t) => {
    for (const [events, lines] of [
      [life.slice(0, 2), []],
      [[welcomed, { kind: 'computed', step: 0, shards: 1 }], ['1 shard in 1 step computed here']],
    ] as const) {
      const terminal = new FakeTerminal(80, false);
      const view = new WorkerView(new Screen(terminal.stream, false), plan);
      for (const event of events) view.event(event);
      const before = terminal.lines.length - 1;
      view.finish(null);
      t.same(terminal.lines.slice(before, -1), lines);
    }
    t.end();
  },
);

t.test('on a terminal a block moves, within its columns', async (t) => {
  for (const columns of [80, 40]) {
    const terminal = new FakeTerminal(columns);
    const view = new WorkerView(new Screen(terminal.stream, false), plan);
    view.start();
    await terminal.until((lines) => lines.at(-1) === 'connecting to 127.0.0.1:7077  0:00');
    for (const event of life.slice(0, 8)) view.event(event);
    await terminal.until((lines) => lines.at(-1)?.startsWith('here') === true);
    t.match(terminal.lines.at(-1), /^here {7}3 of 4 shards {8}0( samples)?\/s$/);
    const bar = terminal.lines.findLastIndex((line) => line.startsWith('epoch 1/2'));
    t.match(terminal.lines.slice(bar).join(' '), /epoch 1\/2 {2}█+░+ .*step 1\/2 +0 samples\/s/s);
    for (const line of terminal.lines.slice(bar)) t.ok(line.length <= columns - 3, line);
    view.stop();
    t.equal(terminal.lines.at(-1), '', 'it is gone');
  }
});

t.test('what it waits for long is said once without a terminal', async (t) => {
  const terminal = new FakeTerminal(80, false);
  const view = new WorkerView(new Screen(terminal.stream, false), plan, 0);
  view.event({ kind: 'data', from: 'own' });
  await terminal.until((lines) => lines.includes('waiting for the replica'));
  view.event({ kind: 'ready', step: 0 });
  await terminal.until((lines) => lines.includes('waiting for the next step'));
  view.stop();
  t.same(terminal.lines, [
    'data    own copy',
    'waiting for the replica',
    'ready',
    'waiting for the next step',
    '',
  ]);
});
