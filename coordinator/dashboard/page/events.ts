/** What happened, the last first. */
import { byId, element } from './elements.ts';
import { clock, grouped } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';

export function showEvents({ events }: RunView): void {
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
  byId('event-list').replaceChildren(...items);
}
