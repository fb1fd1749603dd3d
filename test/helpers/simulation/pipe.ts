/** One direction of one connection: in order, with a delay, a rate, a buffer; it may stall or break. */
import type { Frame } from '../../../shared/wire/frame.ts';
import type { Dice } from './dice.ts';
import type { World } from './world.ts';

/** How things travel between two machines. */
export interface Weather {
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Share of what is sent that is lost at first and comes late. */
  readonly lossChance: number;
  readonly bytesPerMs: number;
  /** Share of frames that are delivered twice. */
  readonly duplicateChance: number;
}

export type Item<Message> =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** The bulk connection is asked for, and is there. */
  | { readonly kind: 'open' | 'opened' }
  /** The end in good order, and the end of a connection whose process is dead. */
  | { readonly kind: 'close'; readonly reason: string }
  | { readonly kind: 'eof' };

export class Pipe<Message> {
  bufferedBytes = 0;
  mostBufferedBytes = 0;
  readonly #world: World;
  readonly #weather: Weather;
  readonly #dice: Dice;
  readonly #deliver: (item: Item<Message>) => void;
  readonly #drained: () => void;
  #unsent: { item: Item<Message>; bytes: number }[] = [];
  readonly #flying: Item<Message>[] = [];
  #stalledUntilMs = 0;
  #freeAtMs = 0;
  #lastArrivalMs = 0;
  #isBroken = false;

  constructor(
    world: World,
    weather: Weather,
    dice: Dice,
    deliver: (item: Item<Message>) => void,
    drained: () => void,
  ) {
    this.#world = world;
    this.#weather = weather;
    this.#dice = dice;
    this.#deliver = deliver;
    this.#drained = drained;
  }

  push(item: Item<Message>, bytes: number): void {
    if (this.#isBroken) return;
    this.#unsent.push({ item, bytes });
    this.bufferedBytes += bytes;
    this.mostBufferedBytes = Math.max(this.mostBufferedBytes, this.bufferedBytes);
    this.#freeAtMs = Math.max(this.#world.nowMs, this.#freeAtMs) + bytes / this.#weather.bytesPerMs;
    this.#world.at(this.#freeAtMs, () => this.#leave());
  }

  /** Nothing moves for so long, or ever again. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#world.nowMs + ms);
  }

  /** What has not left is lost; what has is followed by the end. */
  break(): void {
    if (this.#isBroken) return;
    this.#unsent = [];
    this.#isBroken = true;
    this.bufferedBytes = 0;
    this.#fly({ kind: 'eof' });
  }

  #leave(): void {
    if (this.#isBroken || this.#waits(() => this.#leave())) return;
    const next = this.#unsent.shift();
    if (next === undefined) return;
    const { item, bytes } = next;
    this.bufferedBytes -= bytes;
    // Copied only now: memory that changed between sending and leaving would show.
    if (item.kind === 'frame') {
      const { frame } = item;
      this.#fly({ kind: 'frame', frame: { ...frame, payload: new Uint8Array(frame.payload) } });
    } else this.#fly(item);
    this.#drained();
  }

  #fly(item: Item<Message>): void {
    const { latencyMs, jitterMs, lossChance } = this.#weather;
    // A lost segment is sent again after 200 to 800 ms, and all behind it waits.
    const lossMs = this.#dice.chance(lossChance) ? this.#dice.between(200, 800) : 0;
    const arrivalMs = this.#world.nowMs + latencyMs + this.#dice.between(0, jitterMs) + lossMs;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
    this.#flying.push(item);
    this.#world.at(this.#lastArrivalMs, () => this.#arrive());
  }

  #arrive(): void {
    if (this.#waits(() => this.#arrive())) return;
    const item = this.#flying.shift();
    if (item !== undefined) this.#deliver(item);
  }

  #waits(again: () => void): boolean {
    if (this.#stalledUntilMs <= this.#world.nowMs) return false;
    if (this.#stalledUntilMs < Number.POSITIVE_INFINITY) this.#world.at(this.#stalledUntilMs, again);
    return true;
  }
}
