/** What happened, the last first. */
import { byId, element, scrolling } from './elements.ts';
import { clock, grouped } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';

export class Events {
  readonly #list = element('ol', { class: 'events' });

  constructor() {
    byId('events').append(scrolling('List of events', this.#list));
  }

  show({ events }: RunView): void {
    byId('events').classList.toggle('empty', events.length === 0);
    const items = events
      .toReversed()
      .map(({ atMs, step, text }) =>
        element(
          'li',
          {},
          element('time', { datetime: new Date(atMs).toISOString() }, clock(atMs)),
          element('span', { class: 'at' }, `step ${grouped(step)}`),
          element('span', { class: 'what' }, text),
        ),
      );
    this.#list.replaceChildren(...items);
  }
}
