/**
 * Members that are sent a replica and all totals since, over a connection that takes less than that. Nobody waits for
 * them: they fall behind, get a new replica when the old one has left, and are refused when that goes on.
 */
import { catchUpPauseMs, catchUpTimeoutMs, mostCatchUps } from '../shared/wire/limits.ts';
import type { Clock } from '../shared/wire/link.ts';
import type { Member } from './member.ts';

export interface SlowJoinersHost {
  readonly clock: Clock;
  /** More than this on its way to somebody is too much. */
  readonly mostBytes: number;
  /** It gets no more totals until it has a new replica. */
  fellBehind(member: Member, reason: string): void;
  /** It has room for a new replica. */
  resync(member: Member, reason: string): void;
}

/** Of a member that falls behind. */
interface Attempts {
  /** Replicas that were sent in vain, since it took part last. */
  count: number;
  /** What its connection took of them while nothing was added, and in what time. */
  bytes: number;
  ms: number;
  /** Takes back what is waited for. */
  cancel: () => void;
}

export class SlowJoiners {
  readonly #host: SlowJoinersHost;
  readonly #attempts = new Map<Member, Attempts>();

  constructor(host: SlowJoinersHost) {
    this.#host = host;
  }

  /** Returns whether a total may be sent to a member that follows; one that is syncing may fall behind instead. */
  keepsUp(member: Member): boolean {
    if (member.state !== 'syncing' || member.link.bufferedBytes <= this.#host.mostBytes) return true;
    const attempts = this.#attempts.get(member) ?? { count: 0, bytes: 0, ms: 0, cancel: () => {} };
    this.#attempts.set(member, attempts);
    attempts.count += 1;
    if (attempts.count < mostCatchUps) this.#wait(member, attempts);
    else
      member.refuse(
        `${tookText(attempts)}, too little to catch up with the run in ${attempts.count} attempts`,
      );
    return false;
  }

  /** A member has caught up or is gone. */
  forget(member: Member): void {
    this.#attempts.get(member)?.cancel();
    this.#attempts.delete(member);
  }

  stop(): void {
    for (const member of [...this.#attempts.keys()]) this.forget(member);
  }

  /** Until all that it was sent has left, and for a while: what holds it up may pass. */
  #wait(member: Member, attempts: Attempts): void {
    const { clock, fellBehind, resync } = this.#host;
    const { link } = member;
    const bytes = link.bufferedBytes;
    const startMs = clock.nowMs();
    attempts.cancel = clock.after(catchUpTimeoutMs, () => {
      const took = { bytes: bytes - link.bufferedBytes, ms: clock.nowMs() - startMs };
      member.refuse(`${tookText(took)}, and ${megabytes(link.bufferedBytes)} of a replica wait for it`);
    });
    fellBehind(
      member,
      'its connection takes less than the run sends; it gets a new replica when it has taken this one',
    );
    link.whenBelow(0, () => {
      if (member.state !== 'behind') return;
      attempts.cancel();
      const ms = clock.nowMs() - startMs;
      attempts.bytes += bytes;
      attempts.ms += ms;
      attempts.cancel = clock.after(Math.max(0, catchUpPauseMs - ms), () => resync(member, 'it fell behind'));
    });
  }
}

function tookText({ bytes, ms }: { readonly bytes: number; readonly ms: number }): string {
  return `its connection took ${megabytes(bytes)} in ${(ms / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
