/**
 * The timeline of a thread as a short text, for control messages: microseconds from the step's beginning to the thread's,
 * then a letter and the microseconds of each segment, `12a34b5`.
 */
import { phases, type TimelineSegment } from './timeline.ts';
import { controlBytes, timelineLength } from './wire/limits.ts';

const letters = 'abcdefgh';
const mostMicroseconds = 999_999_999;
const longestPiece = 10;
/** For the rest of the message. */
const otherBytes = 512;

/** Characters that each of so many threads may take, so that all fit into one message. */
export function roomForText(threads: number): number {
  return Math.min(timelineLength, Math.floor((controlBytes - otherBytes) / threads) - 3);
}

/** At least one segment, in at most so many characters, 32 or more: where there is no more room the last one grows. */
export function timelineText(segments: readonly TimelineSegment[], room: number): string {
  // Ends are rounded, not durations: errors do not add up.
  const ends = segments.map(({ to }) => microseconds(to));
  const last = ends[ends.length - 1];
  let at = microseconds(segments[0].from);
  let text = String(at);
  for (const [i, { phase }] of segments.entries()) {
    const letter = letters[phases.indexOf(phase)];
    const piece = `${letter}${Math.max(0, ends[i] - at)}`;
    if (text.length + 2 * longestPiece > room) return `${text}${letter}${Math.max(0, last - at)}`;
    text += piece;
    at = Math.max(at, ends[i]);
  }
  return text;
}

/** Reads a text that the schema of messages let through; milliseconds. */
export function parseTimeline(text: string): TimelineSegment[] {
  let end = Number(/^\d+/.exec(text)?.[0]) / 1000;
  return [...text.matchAll(/([a-h])(\d+)/g)].map(([, letter, duration]) => {
    const from = end;
    end += Number(duration) / 1000;
    return { phase: phases[letters.indexOf(letter)], from, to: end };
  });
}

function microseconds(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms * 1000)), mostMicroseconds);
}
