/** What a coordinator shows of its workers: how to start them, and a line for each that comes or goes. */
import type { FleetEvent } from '../../coordinator/fleet.ts';
import { hostOf, isLoopback } from '../../shared/wire/address.ts';
import type { Invitation } from '../invitation.ts';
import { thisProcess } from '../invitation.ts';
import type { Listening } from './listening.ts';
import { clock, plural, type Screen } from './screen.ts';
import { commandText } from './shell-word.ts';
import type { TrainView } from './train-view.ts';

export class FleetView {
  readonly #screen: Screen;
  readonly #view: TrainView;
  readonly #listening: Listening;
  /** True while threads of this process take part; they are one worker of the fleet's count. */
  #isHere = false;
  /** Why those whose end comes next go, by address. */
  readonly #verdicts = new Map<string, string>();

  constructor(screen: Screen, view: TrainView, listening: Listening) {
    this.#screen = screen;
    this.#view = view;
    this.#listening = listening;
  }

  /** How to start a worker. */
  invite(invitation: Invitation): void {
    const { isTokenNew } = invitation;
    const { stateFolder, isInTheOpen } = this.#listening;
    const where = isLoopback(hostOf(new URL(invitation.url))) ? 'this machine' : 'other machines';
    const token = isTokenNew ? '' : ', with LOCKSTEP_TOKEN set as it is here';
    this.#screen.text(`Workers may join now. To start one on ${where}${token}:`);
    this.#screen.line();
    const width = this.#screen.isTerminal ? this.#screen.columns : Number.POSITIVE_INFINITY;
    for (const line of commandLines(invitation, width)) this.#screen.line(`  ${line}`);
    this.#screen.line();
    if (stateFolder !== null)
      this.#screen.text(`The certificate is this coordinator's own, in ${stateFolder}.`);
    if (isInTheOpen) this.#screen.text('--insecure: token, data and model travel in the open.');
  }

  event(event: FleetEvent): void {
    if ('address' in event && event.name === thisProcess && event.address === thisProcess) {
      this.#isHere = event.kind === 'joined';
      if (event.kind === 'joined') return;
    }
    const { kind } = event;
    const line = (text: string) => this.#screen.text(text);
    switch (kind) {
      case 'waiting':
        this.#wait(event.needed - event.workers);
        break;
      case 'enough':
        this.#view.waitFor(null);
        line(`${event.step === 0 ? 'starting' : 'going on'} with ${this.#others(event.workers)}`);
        break;
      case 'conflict':
        line(this.#screen.style('red', `WRONG BITS: ${event.name}, ${event.reason}; two workers differ`));
        break;
      case 'joined':
        line(
          `${whoIs(event)} ${event.isBack ? 'is back' : 'joined'}: ${plural(event.threads, 'thread')}, ` +
            `${event.kernels} kernels${this.#count(event.workers)}`,
        );
        break;
      case 'back':
        line(`${whoIs(event)} is back${this.#count(event.workers)}`);
        break;
      case 'thrown out':
      case 'replaced':
        // Its end is told next, with those who are left.
        this.#verdicts.set(event.address, kind === 'replaced' ? 'replaced' : 'THROWN OUT');
        break;
      case 'died': {
        const verdict = this.#verdicts.get(event.address) ?? 'lost';
        this.#verdicts.delete(event.address);
        line(`${whoIs(event)} ${verdict}: ${event.reason}${this.#count(event.workers)}`);
        break;
      }
      case 'left':
      case 'late':
      case 'behind':
      case 'out of step':
      case 'refused':
        line(
          `${whoIs(event)} ${kind}: ${event.reason}${kind === 'refused' ? '' : this.#count(event.workers)}`,
        );
        break;
      default:
        kind satisfies never;
    }
  }

  /** Somebody who was not let in. */
  refused(text: string): void {
    this.#screen.text(text);
  }

  #wait(missing: number): void {
    const what = `waiting for ${plural(missing, 'more worker')}`;
    this.#screen.text(`${what}, at most ${clock(this.#listening.workerTimeoutMs / 1000)}`);
    this.#view.waitFor(what);
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

/** The command that starts a worker, in lines of a shell that fit the width as far as its words do. */
export function commandLines(
  { url, fingerprint, token, isTokenNew, isInsecure }: Invitation,
  width: number,
): string[] {
  const words = [
    ...(isTokenNew ? [`LOCKSTEP_TOKEN=${token}`] : []),
    commandText(['worker', url]),
    ...(isInsecure ? ['--insecure'] : []),
    ...(fingerprint === null ? [] : ['--fingerprint', fingerprint]),
  ];
  const lines: string[] = [];
  const room = width - 6; // the view's indent, and a backslash
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? word : `  ${word}`);
  }
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}
