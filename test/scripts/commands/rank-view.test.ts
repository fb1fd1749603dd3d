import t, { type Test } from 'tap';
import { RankView } from '../../../scripts/commands/rank-view.ts';
import type { WorkerEvent } from '../../../worker/worker.ts';

const events: WorkerEvent[] = [
  { kind: 'retrying', reason: 'nobody listens there', seconds: 0.2 },
  { kind: 'data', from: 'own' },
  { kind: 'ready', step: 0 },
  { kind: 'lost', reason: 'the connection was lost', seconds: 600 },
  { kind: 'warning', line: 'the data is not used' },
];

/** What is written on stderr meanwhile. */
function written(t: Test, action: () => void): string {
  let text = '';
  t.intercept(process.stderr, 'write', {
    value: (piece: string) => {
      text += piece;
      return true;
    },
  });
  action();
  return text;
}

function tell(view: RankView): void {
  view.start();
  for (const event of events) view.event(event);
  view.finish();
  view.stop();
}

t.test('a rank tells what went wrong, and whose it is; that it waits only after a while', (t) => {
  const text = written(t, () => tell(new RankView(3, false)));
  t.equal(
    text,
    'lockstep: rank 3: connection lost: the connection was lost; trying again for 10:00\n' +
      'lockstep: rank 3: the data is not used\n',
  );
  t.end();
});

t.test('it says once that it is still waiting', (t) => {
  let nowMs = 0;
  t.intercept(performance, 'now', { value: () => nowMs });
  const view = new RankView(1, false);
  const retrying: WorkerEvent = { kind: 'retrying', reason: 'nobody listens there', seconds: 1 };
  const text = written(t, () => {
    for (nowMs = 0; nowMs < 60_000; nowMs += 1_000) view.event(retrying);
  });
  t.equal(text, 'lockstep: rank 1: still waiting for rank 0: nobody listens there\n');
  t.end();
});

t.test('with --quiet it says nothing', (t) => {
  t.equal(
    written(t, () => tell(new RankView(3, true))),
    '',
  );
  t.end();
});
