import fc from 'fast-check';
import t from 'tap';
import { phases, type TimelineSegment } from '../../shared/timeline.ts';
import { parseTimeline, roomForText, timelineText } from '../../shared/timeline-text.ts';
import { timelineLength, timelineThreads } from '../../shared/wire/limits.ts';
import { schemas } from '../../shared/wire/messages.ts';

const isTaken = (threads: readonly string[]): boolean =>
  schemas.toCoordinator.safeParse({ type: 'timeline', step: 0, microseconds: 0, threads }).success;

t.test('a timeline is a short text', (t) => {
  const segments: TimelineSegment[] = [
    { phase: 'gather', from: 0.012, to: 0.046 },
    { phase: 'waiting', from: 0.046, to: 1.2 },
    { phase: 'other', from: 1.2, to: 1.201 },
  ];
  const text = timelineText(segments, timelineLength);
  t.equal(text, '12a34g1154h1');
  const read = parseTimeline(text);
  t.same(
    read.map(({ phase, from, to }) => [phase, from.toFixed(6), to.toFixed(6)]),
    segments.map(({ phase, from, to }) => [phase, from.toFixed(6), to.toFixed(6)]),
  );
  t.end();
});

/** Segments one behind the other. */
const timelines = fc
  .tuple(
    fc.double({ min: 0, max: 100, noNaN: true }),
    fc.array(fc.tuple(fc.constantFrom(...phases), fc.double({ min: 0, max: 5000, noNaN: true })), {
      minLength: 1,
      maxLength: 64,
    }),
  )
  .map(([start, parts]) => {
    let end = start;
    return parts.map(([phase, ms]): TimelineSegment => {
      const from = end;
      end += ms;
      return { phase, from, to: end };
    });
  });

t.test(
  'whatever its segments and the room for it, a message takes it, and beginning and end are right',
  (t) => {
    fc.assert(
      fc.property(timelines, fc.integer({ min: 1, max: timelineThreads }), (segments, threads) => {
        const room = roomForText(threads);
        const text = timelineText(segments, room);
        const read = parseTimeline(text);
        const gaps = read.some(({ from }, i) => i > 0 && Math.abs(from - read[i - 1].to) > 1e-6);
        const close = (a: number, b: number) => Math.abs(a - b) <= 0.000501;
        return (
          text.length <= room &&
          isTaken([text]) &&
          !gaps &&
          read.every(({ phase }, i) => phase === segments[i].phase) &&
          close(read[0].from, segments[0].from) &&
          close(read[read.length - 1].to, segments[segments.length - 1].to)
        );
      }),
      { seed: 20261123, numRuns: 2000 },
    );
    t.end();
  },
);

t.test('what is too long for nine digits is nine digits long', (t) => {
  const text = timelineText([{ phase: 'waiting', from: 0, to: 1e12 }], timelineLength);
  t.equal(text, '0g999999999');
  t.ok(isTaken([text]));
  t.equal(timelineText([{ phase: 'waiting', from: -5, to: -3 }], timelineLength), '0g0');
  t.end();
});
