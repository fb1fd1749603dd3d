/**
 * One worker as the coordinator sees it, from its hello to its end: is it one of us, does it have the data, does it have
 * the replica, is it still there. What it computes is the step's business.
 */
import { knownAnswer } from '../shared/kernels/probe.ts';
import { bytesOfPieces, type Pieces, readPieces } from '../shared/pieces.ts';
import { arithmeticVersion } from '../shared/recipe/recipe.ts';
import { version } from '../shared/version.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { Heartbeat } from '../shared/wire/heartbeat.ts';
import { chunkBytes, protocolVersion, reasonLength } from '../shared/wire/limits.ts';
import type { ArrivingLink, Clock, LinkEvents } from '../shared/wire/link.ts';
import type { Hello, TimelineMessage, ToCoordinator } from '../shared/wire/messages.ts';
import { Delay } from './delay.ts';

/**
 * - `greeting`: no hello yet
 * - `preparing`: welcomed; it gets data and memory
 * - `syncing`: a replica is on its way to it, and every total since
 * - `ready`: it has the replica and takes part
 * - `behind`: its connection could not take the replica and the totals since; it gets a new replica once there is room
 * - `late`: it missed a deadline and gets no more totals; once it answers it gets a new replica
 * - `gone`
 */
export type MemberState = 'greeting' | 'preparing' | 'syncing' | 'behind' | 'ready' | 'late' | 'gone';

/** What the fleet is told of a member. */
export interface MemberEvents {
  /** Its hello fits; returns what it is welcomed with, or why it is refused. */
  hello(member: Member, hello: Hello): Welcoming | Refusal;
  /** Views of the data set, for one that has none. */
  data(): readonly Uint8Array[];
  join(member: Member): void;
  /** It has the replica that was sent last. */
  ready(member: Member): void;
  partial(member: Member, frame: Frame): void;
  evaluation(member: Member, frame: Frame): void;
  checksum(member: Member, step: number, sha256: string): void;
  /** How it spent a step. */
  timeline(member: Member, message: TimelineMessage): void;
  /** It is gone, welcomed or not; `isLeaving` where it said so itself. */
  gone(member: Member, reason: string, isLeaving: boolean): void;
  /** A frame that nobody wanted. */
  dropped(member: Member, what: string): void;
}

export interface Welcoming {
  readonly name: string;
  readonly run: number;
  readonly recipe: string;
  readonly samples: { readonly train: number; readonly test: number };
  /** Bytes of the largest payload of a frame. */
  readonly payloadBytes: number;
}

export interface Refusal {
  readonly refusal: string;
}

/** Data for workers that have none waits in the connection up to so many bytes. */
export const dataAheadBytes = 4 * chunkBytes;

export class Member implements LinkEvents<ToCoordinator> {
  state: MemberState = 'greeting';
  readonly link: ArrivingLink;
  /** What the hello said; before it, nobody asks. */
  hello: Hello | null = null;
  name: string;
  /** True once it has been welcomed, and once it has taken part. */
  wasWelcome = false;
  hasJoined = false;
  /** SHA-256 of the replica that was sent last, and the step it is before. */
  sent: { readonly step: number; readonly sha256: string } | null = null;
  /** Total gradients that were sent over this connection. */
  totals = 0;
  /** How often its replica was not the one that all others have. */
  wrongReplicas = 0;
  readonly #events: MemberEvents;
  readonly #heartbeat: Heartbeat;
  readonly #delay: Delay;
  #run = 0;
  /** Replicas that were sent, and whether it says that it has the last one. */
  #replicas = 0;
  #hasReplica = false;
  #hasFetched = false;

  constructor(link: ArrivingLink, clock: Clock, events: MemberEvents) {
    this.link = link;
    this.name = link.address;
    this.#events = events;
    this.#delay = new Delay(clock);
    this.#heartbeat = new Heartbeat(clock, {
      beat: () => link.send({ type: 'ping', number: this.#delay.ask() }),
      silent: (ms) => this.drop(`silent for ${(ms / 1000).toFixed(0)} s`),
    });
  }

  /** Since it was last heard of. */
  get silentMs(): number {
    return this.#heartbeat.silentMs;
  }

  /** From a message to its answer; null before the first. */
  get delayMs(): number | null {
    return this.#delay.ms;
  }

  message(message: ToCoordinator): void {
    if (this.state === 'gone') return;
    this.#heartbeat.heard();
    if (this.state === 'greeting') {
      if (message.type === 'hello') this.#greet(message);
      else this.refuse(`sent ${message.type} before its hello`);
      return;
    }
    switch (message.type) {
      case 'heartbeat':
        break;
      case 'pong':
        this.#delay.answered(message.number);
        break;
      case 'timeline':
        this.#events.timeline(this, message);
        break;
      case 'hello':
        this.refuse('said hello twice');
        break;
      case 'fetch':
        if (this.#isPreparing('fetch')) this.#sendData();
        this.#hasFetched = true;
        break;
      case 'join':
        if (this.#isPreparing('join')) this.#events.join(this);
        break;
      case 'ready':
        this.#hasReplica = this.state === 'syncing' && message.step === this.sent?.step;
        break;
      case 'checksum':
        this.#takeChecksum(message.step, message.sha256);
        break;
      case 'leave':
        this.#end(message.reason, true);
        break;
      default:
        message satisfies never;
    }
  }

  frame(frame: Frame): void {
    if (this.state === 'gone') {
      this.#events.dropped(this, 'a frame over a connection that was given up');
      return;
    }
    this.#heartbeat.heard();
    if (frame.run !== this.#run) this.#events.dropped(this, 'a frame of another run');
    else if (frame.type === 'partial') this.#events.partial(this, frame);
    else if (frame.type === 'evaluation') this.#events.evaluation(this, frame);
    else this.#events.dropped(this, `a ${frame.type} frame`);
  }

  closed(reason: string): void {
    this.#end(reason, false);
  }

  /** Sends the worker away with a reason. */
  refuse(reason: string): void {
    this.link.send({ type: 'refuse', reason: fitting(reason) });
    this.#end(reason, false);
  }

  /** Gives the worker up: nothing that it still sends counts. */
  drop(reason: string): void {
    this.link.destroy();
    this.#end(reason, false);
  }

  /** Tells it that the run is over, or that it `failed`. */
  dismiss(reason: string, failed = false): void {
    this.link.send({ type: 'end', reason: fitting(reason), failed });
    this.#end(reason, true);
  }

  /** Tells it that its replica does not count any more; a new one must follow. */
  resync(reason: string): void {
    this.link.send({ type: 'resync', reason: fitting(reason) });
  }

  /** Sends a replica; every total of the steps from `step` on must follow. */
  sync(step: number, replica: Uint8Array, sha256: string): void {
    this.state = 'syncing';
    this.sent = { step, sha256 };
    this.#hasReplica = false;
    const number = this.#replicas++;
    for (let panel = 0; panel * chunkBytes < replica.length; panel++) {
      const chunk = replica.subarray(panel * chunkBytes, (panel + 1) * chunkBytes);
      this.link.sendFrame({ ...this.#header('replica', step, panel), lo: number }, chunk);
    }
  }

  /** True while data and replica may be asked for, which is once and over the bulk connection; else it is sent away. */
  #isPreparing(request: 'fetch' | 'join'): boolean {
    const isTwice = request === 'fetch' && this.#hasFetched;
    if (this.state === 'preparing' && this.link.hasBulk && !isTwice) return true;
    const how = isTwice ? 'twice' : this.link.hasBulk ? 'out of turn' : 'before its bulk connection';
    this.refuse(`sent ${request} ${how}`);
    return false;
  }

  /** Who has got a replica takes part once it is proven to be the one that was sent. */
  #takeChecksum(step: number, sha256: string): void {
    if (this.state === 'ready') this.#events.checksum(this, step, sha256);
    if (this.state !== 'syncing' || !this.#hasReplica || this.sent?.step !== step) return;
    if (this.sent.sha256 === sha256) this.#events.ready(this);
    else this.#events.checksum(this, step, sha256);
  }

  #header(type: 'replica' | 'data', step: number, panel: number) {
    return { type, run: this.#run, step, exchange: 0, lo: 0, hi: 0, panel, microseconds: 0 };
  }

  #greet(hello: Hello): void {
    this.hello = hello;
    this.name = hello.name;
    const answer = mismatch(hello) ?? this.#events.hello(this, hello);
    if ('refusal' in answer) {
      this.refuse(answer.refusal);
      return;
    }
    const { name, run, recipe, samples, payloadBytes } = answer;
    this.name = name;
    this.#run = run;
    this.state = 'preparing';
    this.wasWelcome = true;
    this.link.expectBulk(payloadBytes);
    this.link.send({ type: 'welcome', version, run, ticket: this.link.ticket, name, recipe, samples });
  }

  /** Sends the data set in chunks, as fast as the worker takes them. */
  #sendData(): void {
    const pieces = this.#events.data();
    const bytes = bytesOfPieces(pieces);
    const next = (panel: number): void => {
      if (this.state === 'gone' || panel * chunkBytes >= bytes) return;
      this.link.sendFrame(this.#header('data', 0, panel), chunkOf(pieces, panel));
      this.link.whenBelow(dataAheadBytes, () => next(panel + 1));
    };
    next(0);
  }

  #end(reason: string, isLeaving: boolean): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    this.#heartbeat.stop();
    this.link.close(reason);
    this.#events.gone(this, reason, isLeaving);
  }
}

/** As much of a reason as a message may hold; some of them quote what others sent. */
function fitting(reason: string): string {
  return reason.slice(0, reasonLength).toWellFormed();
}

/** Why a worker cannot be one of us, whatever the recipe. */
function mismatch(hello: Hello): Refusal | null {
  const refuse = (what: string, got: number, expected: number): Refusal => ({
    refusal:
      `the worker has ${what} version ${got} (Lockstep ${hello.version}), the coordinator ${expected} ` +
      `(Lockstep ${version}); install the same version on both`,
  });
  if (hello.protocol !== protocolVersion) return refuse('protocol', hello.protocol, protocolVersion);
  if (hello.arithmetic !== arithmeticVersion)
    return refuse('arithmetic', hello.arithmetic, arithmeticVersion);
  if (hello.answer === knownAnswer) return null;
  return {
    refusal:
      `the worker's kernels (${hello.kernels}) give ${hello.answer.slice(0, 12)}… on the known computation, expected ` +
      `${knownAnswer.slice(0, 12)}…; start it with other --kernels`,
  };
}

/** A copy of the bytes of one chunk. */
function chunkOf(pieces: Pieces, panel: number): Uint8Array {
  const first = panel * chunkBytes;
  const out = new Uint8Array(Math.min(chunkBytes, bytesOfPieces(pieces) - first));
  readPieces(pieces, first, out);
  return out;
}
