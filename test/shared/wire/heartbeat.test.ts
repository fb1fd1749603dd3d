import t from 'tap';
import { Heartbeat } from '../../../shared/wire/heartbeat.ts';
import { heartbeatMs, silenceMs } from '../../../shared/wire/limits.ts';

/** A clock with one timer, moved by hand. */
function handClock() {
  let nowMs = 1000;
  let due: { atMs: number; callback: () => void } | null = null;
  return {
    nowMs: () => nowMs,
    after: (ms: number, callback: () => void) => {
      const timer = { atMs: nowMs + ms, callback };
      due = timer;
      return () => {
        if (due === timer) due = null;
      };
    },
    /** Lets time pass; a timer that is due runs once, as late as it is. */
    pass(ms: number) {
      nowMs += ms;
      const timer = due;
      if (timer === null || timer.atMs > nowMs) return;
      due = null;
      timer.callback();
    },
    hasTimer: () => due !== null,
  };
}

function start() {
  const clock = handClock();
  const told: string[] = [];
  const heartbeat = new Heartbeat(clock, {
    beat: () => told.push('beat'),
    silent: (ms) => told.push(`silent ${ms}`),
  });
  return { clock, told, heartbeat };
}

t.test('it beats, and tells of silence once', (t) => {
  const { clock, told } = start();
  for (let ms = 0; ms < silenceMs; ms += heartbeatMs) clock.pass(heartbeatMs);
  t.same(told, ['beat', 'beat', `silent ${silenceMs}`]);
  t.notOk(clock.hasTimer());
  t.end();
});

t.test('whoever is heard is not silent', (t) => {
  const { clock, told, heartbeat } = start();
  for (let i = 0; i < 20; i++) {
    clock.pass(heartbeatMs);
    if (i % 2 === 0) heartbeat.heard();
  }
  t.same(told, new Array(20).fill('beat'));
  heartbeat.stop();
  t.notOk(clock.hasTimer());
  t.end();
});

t.test('who was held up itself accuses nobody of the time that it lost', (t) => {
  const { clock, told, heartbeat } = start();
  clock.pass(heartbeatMs);
  clock.pass(3_600_000); // a laptop slept
  t.same(told, ['beat', 'beat']);
  heartbeat.heard();
  clock.pass(heartbeatMs);
  clock.pass(heartbeatMs);
  t.same(told, ['beat', 'beat', 'beat', 'beat']);
  clock.pass(heartbeatMs);
  t.equal(told.at(-1), `silent ${silenceMs}`, 'but after it, the time counts again');
  t.end();
});
