/** What happens to the workers of a run, in words: for the terminal and for the page. */
import type { FleetEvent } from '../coordinator/fleet.ts';
import { plural } from './commands/screen.ts';
import { thisProcess } from './invitation.ts';

export class FleetWords {
  /** True while threads of this process take part; they are one worker of the fleet's count. */
  #isHere = false;
  /** Why those whose end comes next go, by address. */
  readonly #verdicts = new Map<string, string>();

  /** One line; null where there is nothing to say, or not yet. */
  of(event: FleetEvent): string | null {
    if ('address' in event && event.name === thisProcess && event.address === thisProcess) {
      this.#isHere = event.kind === 'joined';
      if (event.kind === 'joined') return null;
    }
    const { kind } = event;
    switch (kind) {
      case 'waiting':
        return `waiting for ${plural(event.needed - event.workers, 'more worker')}`;
      case 'enough':
        return `${event.step === 0 ? 'starting' : 'going on'} with ${this.#others(event.workers)}`;
      case 'conflict':
        return `WRONG BITS: ${event.name}, ${event.reason}; two workers differ`;
      case 'joined':
        return (
          `${whoIs(event)} ${event.isBack ? 'is back' : 'joined'}: ${plural(event.threads, 'thread')}, ` +
          `${event.kernels} kernels${this.#count(event.workers)}`
        );
      case 'back':
        return `${whoIs(event)} is back${this.#count(event.workers)}`;
      case 'thrown out':
      case 'replaced':
        // Its end is told next, with those who are left.
        this.#verdicts.set(event.address, kind === 'replaced' ? 'replaced' : 'THROWN OUT');
        return null;
      case 'died': {
        const verdict = this.#verdicts.get(event.address) ?? 'lost';
        this.#verdicts.delete(event.address);
        return `${whoIs(event)} ${verdict}: ${event.reason}${this.#count(event.workers)}`;
      }
      case 'left':
      case 'late':
      case 'behind':
      case 'out of step':
        return `${whoIs(event)} ${kind}: ${event.reason}${this.#count(event.workers)}`;
      case 'refused':
        return `${whoIs(event)} refused: ${event.reason}`;
      default:
        return kind satisfies never;
    }
  }

  #count(workers: number): string {
    return `; ${this.#others(workers)} now`;
  }

  #others(workers: number): string {
    return plural(Math.max(0, workers - (this.#isHere ? 1 : 0)), 'worker');
  }
}

/** `mara (10.0.0.7:51234)` */
function whoIs({ name, address }: { readonly name: string; readonly address: string }): string {
  return name === address ? name : `${name} (${address})`;
}
