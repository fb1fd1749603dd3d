import type { Clock } from '../shared/wire/link.ts';
import type { Member } from './member.ts';

export interface CongestionHost {
  readonly clock: Clock;
  /** More than this on its way to somebody is too much. */
  readonly mostBytes: number;
  readonly timeoutMs: number;
  /** Members that the run waits for; who is syncing has to keep up. */
  ready(): readonly Member[];
  /** There may be room again. */
  goOn(): void;
}

/** Holds the run up while somebody does not take what is sent, and cuts who does not take it until the deadline. */
export class Congestion {
  readonly #host: CongestionHost;
  #cancel: (() => void) | null = null;

  constructor(host: CongestionHost) {
    this.#host = host;
  }

  /** Returns whether too much waits to be sent to somebody; the host is told when that has left. */
  isClogged(): boolean {
    const { clock, mostBytes, timeoutMs, goOn } = this.#host;
    const clogged = this.#clogged();
    if (clogged.length === 0) {
      this.stop();
      return false;
    }
    for (const { link } of clogged) link.whenBelow(mostBytes, goOn);
    // Set once, however often somebody comes or goes meanwhile.
    this.#cancel ??= clock.after(timeoutMs, () => {
      this.#cancel = null;
      const still = this.#clogged().filter((member) => clogged.includes(member));
      for (const member of still) member.drop(`its connection took too little for ${timeoutMs} ms`);
      goOn();
    });
    return true;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #clogged(): Member[] {
    const { mostBytes } = this.#host;
    return this.#host.ready().filter(({ link }) => link.bufferedBytes > mostBytes);
  }
}
