/** A dashboard over a run that a test plays: what the run is, what it says of itself, and who reads. */
import { get, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { pathToFileURL } from 'node:url';
import type { Test } from 'tap';
import { Dashboard } from '../../coordinator/dashboard/dashboard.ts';
import type { FeedMessage } from '../../coordinator/dashboard/feed.ts';
import { PageFiles } from '../../coordinator/dashboard/page-files.ts';
import type { Reader } from '../../coordinator/dashboard/reader.ts';
import { openSite, type Site, type SiteOptions } from '../../coordinator/dashboard/site.ts';
import type { Activity, LiveRun, RunAccount, WorkerNow } from '../../coordinator/live-run.ts';
import { prepareRun, type Run } from '../../coordinator/prepare.ts';
import type { EpochReport, Position, StepReport } from '../../coordinator/reports.ts';
import type { RunState } from '../../coordinator/run-state.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import type { WatchRate } from '../../shared/step-listeners.ts';
import type { StepTimeline } from '../../shared/timeline.ts';
import { label, syntheticDataset } from './train.ts';

/** 100 samples in 7 steps of at most 16, with two layers of batch normalisation. */
export const playedFields: RecipeFields = {
  model: 'dense(6) batchnorm relu dense(5) batchnorm relu dense(10)',
  batchSize: 16,
  epochs: 10,
};

export function playedRun(from: RunState | null = null, fields = playedFields): Promise<Run> {
  return prepareRun({
    draft: draftRecipe(fields, label),
    source: syntheticDataset(3, 100, 40),
    kernels: loadKernels('wasm'),
    threads: 1,
    initial: null,
    from,
    label,
  });
}

/** A run that says what a test sets. */
export class PlayedRun implements LiveRun {
  readonly run: Run;
  now: Activity = 'training';
  place: Position = { epoch: 1, step: 0, first: 0, seconds: 0, loss: null };
  steps = 0;
  workersNow: WorkerNow[] = [];
  accountNow: RunAccount = { work: [], deaths: 0, shardsRecomputed: 0, joins: 0 };
  /** Null for a run too fast to be copied. */
  vector: Float32Array | null;
  /** What was asked of it, and how often. */
  readonly asked = { workers: 0, flat: 0, watched: 0, unwatched: 0 };
  #listener: ((timeline: StepTimeline) => void) | null = null;

  constructor(run: Run) {
    this.run = run;
    this.vector = new Float32Array(run.architecture.flatSize).map((_, i) => i / 7);
  }

  activity(): Activity {
    return this.now;
  }

  position(): Position {
    return this.place;
  }

  committed(): number {
    return this.steps;
  }

  workers(): WorkerNow[] {
    this.asked.workers += 1;
    return this.workersNow;
  }

  account(): RunAccount {
    return this.accountNow;
  }

  flat(): { steps: number; flat: Float32Array } | null {
    this.asked.flat += 1;
    return this.vector === null ? null : { steps: this.steps, flat: this.vector.slice() };
  }

  watchSteps(listener: (timeline: StepTimeline) => void): () => void {
    this.asked.watched += 1;
    this.#listener = listener;
    return () => {
      this.asked.unwatched += 1;
      this.#listener = null;
    };
  }

  watchRate(wanted: WatchRate): WatchRate {
    return wanted;
  }

  timed(timeline: StepTimeline): void {
    this.#listener?.(timeline);
  }
}

export const aWorker: WorkerNow = {
  id: '1'.repeat(32),
  name: 'mara',
  address: '10.0.0.7:51234',
  rank: 0,
  threads: 2,
  kernels: 'wasm',
  state: 'working',
  share: { lo: 0, hi: 1 },
  shards: 0,
  seconds: 0,
  delayMs: 3,
  silentMs: 100,
};

export function aStep(step: number, loss = 1 / step, samples = 16, seconds = 0.01): StepReport {
  return { epoch: 1, step, samples, loss, accuracy: 0.5, seconds, digest: '' };
}

export function anEpoch(epoch: number, steps = 7 * epoch): EpochReport {
  const loss = 1 / epoch;
  const test = { testLoss: 2 / epoch, testAccuracy: 1 - 1 / (epoch + 1) };
  return { epoch, steps, loss, change: null, ...test, seconds: 0.07, samplesPerSecond: 1000 };
}

/** A reader that takes all at once, or nothing while it is not free. */
export class PlayedReader implements Reader {
  isFree = true;
  isEnded = false;
  /** Of each telling. */
  readonly bytes: number[] = [];
  readonly messages: FeedMessage[] = [];
  #last: (() => readonly Uint8Array[]) | null = null;

  send(parts: readonly Uint8Array[]): void {
    if (!this.isFree) throw new Error('it was sent something while it was not free');
    const all = Buffer.concat(parts);
    this.bytes.push(all.length);
    this.messages.push(...messagesOf(all.toString('utf8')));
  }

  end(last: () => readonly Uint8Array[]): void {
    this.#last = last;
    if (this.isFree) this.drain();
  }

  /** Reads what it was sent before. */
  drain(): void {
    this.isFree = true;
    if (this.#last === null) return;
    this.send(this.#last());
    this.isEnded = true;
  }

  /** What it was told since the last time. */
  take(): FeedMessage[] {
    return this.messages.splice(0);
  }

  types(): string[] {
    return this.messages.map(({ type }) => type);
  }
}

function messagesOf(text: string): FeedMessage[] {
  if (!text.endsWith('\n')) throw new Error('a line is not ended');
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as FeedMessage);
}

export const siteToken = 'a-token-for-the-page';

/** What stands in for the page. */
export const standIns: Readonly<Record<string, string>> = {
  'index.html': '<!doctype html><title>page</title>',
  'draw.html': '<!doctype html><title>draw</title>',
  'page.js': 'export {};',
  'draw.js': 'export {};',
  'page.css': 'body {}',
  'kernels.wasm': '\0asm',
  'icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
};

export interface PlayedSite extends Site {
  readonly dashboard: Dashboard;
  readonly live: PlayedRun;
}

/** A site on a free port of loopback over a run that is played, which the test closes at its end. */
export async function playedSite(t: Test, options: Partial<SiteOptions> = {}): Promise<PlayedSite> {
  const live = new PlayedRun(await playedRun());
  const dashboard = options.dashboard ?? new Dashboard();
  if (options.dashboard === undefined) dashboard.start(live.run, live, 'played');
  const folder = t.testdir({ ...standIns });
  const site = await openSite({
    listen: { host: '127.0.0.1', port: 0 },
    label: '--dashboard',
    orAnyPort: false,
    token: null,
    tls: null,
    files: new PageFiles(pathToFileURL(`${folder}/`)),
    ...options,
    dashboard,
  });
  t.teardown(async () => {
    dashboard.end('finished', 'the test is over');
    await site.close();
  });
  return { ...site, dashboard, live };
}

export interface Fetched {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request on a connection of its own. */
export function fetched(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(pieces),
        }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** A reader of the stream over the network, as a page is one. */
export class FeedReader {
  readonly messages: FeedMessage[] = [];
  isEnded = false;
  readonly #response: IncomingMessage;
  #rest = '';
  #happened = (): void => {};

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      const lines = (this.#rest + piece).split('\n');
      this.#rest = lines.pop() ?? '';
      this.messages.push(...lines.map((line) => JSON.parse(line) as FeedMessage));
      this.#happened();
    });
    response.on('error', () => {}); // to be cut is an end, too
    response.on('close', () => {
      this.isEnded = true;
      this.#happened();
    });
  }

  static open(t: Test, port: number, headers: Record<string, string> = {}): Promise<FeedReader> {
    return new Promise((resolve, reject) => {
      const sent = get({ port, host: '127.0.0.1', path: '/live', headers, agent: false }, (response) => {
        if (response.statusCode === 200) resolve(new FeedReader(response));
        else reject(new Error(`status ${response.statusCode}`));
      });
      sent.on('error', reject);
      t.teardown(() => sent.destroy());
    });
  }

  /** Waits until something was told. */
  async until(isSo: (reader: this) => boolean): Promise<this> {
    while (!isSo(this)) {
      if (this.isEnded) throw new Error('the answer ended before that');
      await new Promise<void>((resolve) => {
        this.#happened = resolve;
      });
    }
    return this;
  }

  /** Waits for the first message of a kind. */
  async first<Type extends FeedMessage['type']>(type: Type): Promise<Extract<FeedMessage, { type: Type }>> {
    const find = () => this.messages.find((message) => message.type === type);
    await this.until(() => find() !== undefined);
    return find() as Extract<FeedMessage, { type: Type }>;
  }

  async end(): Promise<void> {
    while (!this.isEnded) {
      await new Promise<void>((resolve) => {
        this.#happened = resolve;
      });
    }
  }

  /** Reads nothing more. */
  stop(): void {
    this.#response.pause();
  }

  leave(): void {
    this.#response.destroy();
  }
}
