import t from 'tap';
import { timelineMs, timelineThreads } from '../../shared/wire/limits.ts';
import type { TimelineMessage } from '../../shared/wire/messages.ts';
import { type OwnWatch, StepWatch } from '../../worker/step-watch.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

/** A crew that records what it is told to, each step in a millisecond. */
function begin(own: OwnWatch | null = null, threads = 2) {
  const clock = new ManualClock();
  const sent: TimelineMessage[] = [];
  let every = 0;
  const crew = {
    record: (n: number) => {
      every = n;
    },
    recorded: () => recorded.splice(0),
  };
  const recorded: ReturnType<Parameters<StepWatch['begin']>[0]['recorded']> = [];
  const watch = new StepWatch({ clock, send: (message) => sent.push(message), own });
  let committed = 0;
  const step = (ms = 1) => {
    const segments = [{ phase: 'forward', from: 0, to: 1 }] as const;
    if (every !== 0 && committed % every === 0) {
      const timelines = Array.from({ length: threads }, () => segments);
      recorded.push({ committed, startMs: clock.nowMs(), threads: timelines });
    }
    clock.advance(ms);
    watch.applied(committed);
    committed += 1;
  };
  return { watch, crew, clock, sent, step, every: () => every };
}

t.test('it tells of the steps that it is asked for, and how long ago they began', (t) => {
  const { watch, crew, sent, step } = begin();
  watch.begin(crew);
  step(1000);
  t.same(sent, [], 'nobody asks');
  watch.ask(4);
  for (let i = 0; i < 8; i++) step(500);
  t.same(sent, [
    { type: 'timeline', step: 4, microseconds: 500_000, threads: ['0b1000', '0b1000'] },
    { type: 'timeline', step: 8, microseconds: 500_000, threads: ['0b1000', '0b1000'] },
  ]);
  watch.ask(0);
  for (let i = 0; i < 8; i++) step(500);
  t.equal(sent.length, 2);
  t.end();
});

t.test('it may be asked before there is anybody to ask', (t) => {
  const { watch, crew, sent, step } = begin();
  watch.ask(1);
  watch.begin(crew);
  step();
  t.match(sent, [{ step: 0 }]);
  t.end();
});

t.test('another crew is told, too', (t) => {
  const { watch, crew, step, sent, every } = begin();
  watch.ask(2);
  const told: number[] = [];
  watch.begin({ record: (n) => told.push(n), recorded: () => [] });
  watch.begin(crew);
  t.same(told, [0, 2], 'what another session left is forgotten');
  t.equal(every(), 2);
  step();
  t.equal(sent.length, 1);
  t.end();
});

t.test(`however fast it is, it speaks every ${timelineMs} ms at most`, (t) => {
  const { watch, crew, sent, step, clock } = begin();
  watch.begin(crew);
  watch.ask(1);
  while (clock.nowMs() < 10 * timelineMs) step();
  t.ok(sent.length >= 9 && sent.length <= 11, `${sent.length} messages`);
  t.end();
});

t.test('of very many threads it tells of as many as a message holds', (t) => {
  const { watch, crew, sent, step } = begin(null, 1024);
  watch.begin(crew);
  watch.ask(1);
  step();
  t.equal(sent[0].threads.length, timelineThreads);
  t.end();
});

t.test(
  'who traces this worker is told more often than the coordinator, which gets what it asked for',
  (t) => {
    const own: number[] = [];
    const told = { perSecond: 100, tell: ({ committed }: { committed: number }) => void own.push(committed) };
    const { watch, crew, sent, step, clock, every } = begin(told);
    watch.begin(crew);
    watch.ask(1024);
    while (clock.nowMs() < 5000) step();
    t.equal(every(), 16, 'a thousand steps a second');
    t.ok(own.length > 250 && own.length < 600, `${own.length} steps`);
    t.same(
      sent.map((message) => message.step),
      [0, 1024, 2048, 3072, 4096],
    );
    watch.ask(8);
    t.equal(every(), 8, 'the lesser of the two');
    t.end();
  },
);
