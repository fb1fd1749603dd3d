/**
 * A trace: a JSON array of events, in the Trace Event Format that Perfetto and chrome://tracing open. The array form, because
 * its readers forgive a missing end: what a killed process left behind opens too.
 */
import { shownPath } from '../shared/data/regular-file.ts';
import { LockstepError } from '../shared/errors.ts';
import { RunFile } from './run-file.ts';
import { openTracePlace, traceEnd, traceWriter } from './trace-place.ts';

/** A viewer in a browser takes this much. */
const mostTraceBytes = 64 * 2 ** 20;
/** Kept free for the last event and the array's end. */
const endBytes = 1024;

/** A line of the picture: a thread, or whatever else does one thing at a time. */
interface Track {
  /** Process and thread as the format calls them; any numbers will do. */
  readonly pid: number;
  readonly tid: number;
}

export type TraceArguments = Readonly<Record<string, string | number | boolean>>;

export class TraceFile {
  readonly #path: string;
  readonly #file: RunFile;
  readonly #alarm: (error: LockstepError) => void;
  readonly #mostBytes: number;
  readonly #originMs: number;
  #lines: string[] = [];
  #bytes = 0;
  #hasWriter = false;
  #isOver = false;

  /**
   * Begins the file; a trace that is there makes room once nobody writes it.
   * @param alarm called when writing fails and when the file is full; the trace ends there
   * @throws LockstepError (OUTPUT) when it cannot be opened
   */
  constructor(path: string, alarm: (error: LockstepError) => void, mostBytes: number = mostTraceBytes) {
    this.#path = path;
    this.#alarm = alarm;
    this.#mostBytes = mostBytes;
    this.#originMs = performance.now();
    this.#file = new RunFile(path, 'trace', alarm, openTracePlace);
  }

  get failed(): boolean {
    return this.#file.failed;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Names a process, and what else there is to say of it. The first event of a file also says who writes it. */
  process(pid: number, name: string, label = ''): void {
    const writer = this.#hasWriter ? {} : traceWriter();
    this.#hasWriter = true;
    this.#metadata({ pid, tid: 0 }, 'process_name', { ...writer, name });
    this.#metadata({ pid, tid: 0 }, 'process_sort_index', { sort_index: pid });
    if (label !== '') this.#metadata({ pid, tid: 0 }, 'process_labels', { labels: label });
  }

  thread(track: Track, name: string): void {
    this.#metadata(track, 'thread_name', { name });
    this.#metadata(track, 'thread_sort_index', { sort_index: track.tid });
  }

  /** Something that lasted; on one track such events lie one after the other or within one another, the outer ones first. */
  complete(track: Track, name: string, fromMs: number, toMs: number, args: TraceArguments = {}): void {
    const from = this.#nanoseconds(fromMs);
    // Both ends are rounded, so neighbours still touch.
    const duration = Math.max(0, this.#nanoseconds(toMs) - from);
    this.#add('X', track, name, `"ts":${from / 1000},"dur":${duration / 1000}`, args);
  }

  /** A moment. */
  instant(track: Track, name: string, atMs: number, args: TraceArguments = {}): void {
    this.#add('i', track, name, `"ts":${this.#nanoseconds(atMs) / 1000},"s":"g"`, args);
  }

  /** The value of something from now on. */
  counter(track: Track, name: string, atMs: number, value: number): void {
    this.#add('C', track, name, `"ts":${this.#nanoseconds(atMs) / 1000}`, { value });
  }

  /** Writes what was added; all of it or nothing, so that the file ends with a whole event. */
  write(): void {
    if (this.#isOver || this.#lines.length === 0) return;
    const bytes = Buffer.from(this.#lines.map((line, i) => separator(this.#bytes + i) + line).join(''));
    this.#lines = [];
    if (this.#bytes + bytes.length + endBytes > this.#mostBytes) {
      this.#endFull();
      return;
    }
    this.#put(bytes);
  }

  /** Ends the array and closes the file; safe to call again. */
  close(): void {
    if (this.#isOver) return;
    this.write();
    this.#end();
  }

  #endFull(): void {
    this.instant({ pid: 1, tid: 1 }, 'the trace is full', performance.now());
    this.#put(Buffer.from(separator(this.#bytes) + this.#lines.join('')));
    this.#lines = [];
    this.#end();
    const size = `${Math.round(this.#mostBytes / 2 ** 20)} MiB`;
    this.#alarm(
      new LockstepError(
        'OUTPUT',
        `the trace ${shownPath(this.#path)} has reached ${size} and ends here; the run goes on`,
      ),
    );
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#file.write(Buffer.from(this.#bytes === 0 ? '[]\n' : traceEnd));
    this.#file.close();
  }

  #put(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    this.#file.write(bytes);
  }

  #metadata(track: Track, name: string, args: TraceArguments): void {
    this.#add('M', track, name, '"ts":0', args);
  }

  #add(kind: string, { pid, tid }: Track, name: string, fields: string, args: TraceArguments): void {
    if (this.#isOver) return;
    this.#lines.push(
      `{"ph":"${kind}","pid":${pid},"tid":${tid},${fields},"name":${JSON.stringify(name)},"args":${JSON.stringify(args)}}`,
    );
  }

  /** Since the trace began; what was before that is at its beginning. */
  #nanoseconds(ms: number): number {
    return Math.max(0, Math.round((ms - this.#originMs) * 1e6));
  }
}

function separator(before: number): string {
  return before === 0 ? '[\n' : ',\n';
}
