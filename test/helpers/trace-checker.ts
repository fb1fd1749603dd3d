/**
 * A strict reader of traces, by the "Trace Event Format" of Chromium (array form) and by what Perfetto makes of it. It shares
 * no code with the writer.
 */

export interface Slice {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Nanoseconds since the trace began. */
  readonly from: number;
  readonly to: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Instant {
  readonly name: string;
  readonly at: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface CheckedTrace {
  readonly slices: readonly Slice[];
  readonly instants: readonly Instant[];
  readonly counters: readonly { readonly name: string; readonly at: number; readonly value: number }[];
  /** By pid; by `pid tid`. */
  readonly processes: ReadonlyMap<number, string>;
  readonly threads: ReadonlyMap<string, string>;
}

type Json = Record<string, unknown>;

const keysOf: Readonly<Record<string, readonly string[]>> = {
  M: ['args', 'name', 'ph', 'pid', 'tid', 'ts'],
  X: ['args', 'dur', 'name', 'ph', 'pid', 'tid', 'ts'],
  i: ['args', 'name', 'ph', 'pid', 's', 'tid', 'ts'],
  C: ['args', 'name', 'ph', 'pid', 'tid', 'ts'],
};
const metadata = ['process_name', 'process_labels', 'process_sort_index', 'thread_name', 'thread_sort_index'];

/** The text that a killed process left, as readers mend it: the array is ended behind its last whole line. */
export function mended(text: string): string {
  if (!text.startsWith('[\n{')) throw new Error('no array of objects, by which Perfetto knows a trace');
  const whole = text.slice(0, text.lastIndexOf('}') + 1);
  return `${whole}\n]\n`;
}

/** @throws Error with the first thing that is wrong */
export function checkTrace(text: string): CheckedTrace {
  if (!text.startsWith('[\n{')) throw new Error('no array of objects, by which Perfetto knows a trace');
  if (!text.endsWith('}\n]\n')) throw new Error(`it ends in ${JSON.stringify(text.slice(-20))}`);
  const events: unknown = JSON.parse(text);
  if (!Array.isArray(events)) throw new Error('no array');
  const slices: Slice[] = [];
  const instants: Instant[] = [];
  const counters: { name: string; at: number; value: number }[] = [];
  const processes = new Map<number, string>();
  const threads = new Map<string, string>();
  for (const event of events as Json[]) {
    const say = (what: string): never => {
      throw new Error(`${what}: ${JSON.stringify(event)}`);
    };
    const { ph, name, pid, tid, ts, dur, args } = event;
    if (typeof ph !== 'string' || keysOf[ph] === undefined) return say('an unknown kind of event');
    if (Object.keys(event).sort().join() !== keysOf[ph].join()) say('other fields than its kind has');
    if (typeof name !== 'string' || name === '') return say('no name');
    if (!isCount(pid) || !isCount(tid)) return say('process and thread are no numbers');
    if (typeof args !== 'object' || args === null || Array.isArray(args)) return say('no arguments');
    if (typeof ts !== 'number' || !(ts >= 0)) return say('no time');
    const at = Math.round(ts * 1000);
    const facts = args as Json;
    if (ph === 'M') {
      if (!metadata.includes(name)) say('unknown metadata');
      if (name === 'process_name') once(processes, pid, String(facts.name));
      if (name === 'thread_name') once(threads, `${pid} ${tid}`, String(facts.name));
      continue;
    }
    if (!processes.has(pid)) say('of a process that has no name yet');
    if (ph === 'i') {
      if (event.s !== 'g') say('an instant of no scope');
      instants.push({ name, at, args: facts });
    } else if (ph === 'C') {
      if (typeof facts.value !== 'number') return say('a counter without a value');
      counters.push({ name, at, value: facts.value });
    } else {
      if (!threads.has(`${pid} ${tid}`)) say('of a thread that has no name yet');
      if (typeof dur !== 'number' || !(dur >= 0)) return say('no duration');
      slices.push({ name, pid, tid, from: at, to: at + Math.round(dur * 1000), args: facts });
    }
  }
  for (const key of threads.keys()) holdNested(slices.filter(({ pid, tid }) => `${pid} ${tid}` === key));
  return { slices, instants, counters, processes, threads };
}

/** On one track, in the order of the file: time does not go back, and each lies beside the others or within one. */
function holdNested(slices: readonly Slice[]): void {
  const open: Slice[] = [];
  let fromMost = 0;
  for (const slice of slices) {
    if (slice.from < fromMost) throw new Error(`time goes back: ${JSON.stringify(slice)}`);
    fromMost = slice.from;
    while (open.length > 0 && open[open.length - 1].to <= slice.from) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined && slice.to > outer.to) {
      throw new Error(`${JSON.stringify(slice)} ends after ${JSON.stringify(outer)}, in which it begins`);
    }
    open.push(slice);
  }
}

function once<Key>(map: Map<Key, string>, key: Key, value: string): void {
  if (map.has(key)) throw new Error(`${String(key)} is named twice`);
  map.set(key, value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
