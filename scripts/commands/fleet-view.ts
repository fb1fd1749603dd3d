/** What a coordinator shows of its workers: how to start them, and a line for each that comes or goes. */
import type { FleetEvent } from '../../coordinator/fleet.ts';
import { hostOf, isLoopback } from '../../shared/wire/address.ts';
import { FleetWords } from '../fleet-words.ts';
import type { Invitation } from '../invitation.ts';
import type { Listening } from './listening.ts';
import { clock, type Screen } from './screen.ts';
import { commandText } from './shell-word.ts';
import type { TrainView } from './train-view.ts';

export class FleetView {
  readonly #screen: Screen;
  readonly #view: TrainView;
  readonly #listening: Listening;
  readonly #words = new FleetWords();

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
    const text = this.#words.of(event);
    if (text === null) return;
    switch (event.kind) {
      case 'waiting':
        this.#screen.text(`${text}, at most ${clock(this.#listening.workerTimeoutMs / 1000)}`);
        this.#view.waitFor(text);
        return;
      case 'enough':
        this.#view.waitFor(null);
        this.#screen.text(text);
        return;
      case 'conflict':
        this.#screen.text(this.#screen.style('red', text));
        return;
      default:
        this.#screen.text(text);
    }
  }

  /** Somebody who was not let in. */
  refused(text: string): void {
    this.#screen.text(text);
  }
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
