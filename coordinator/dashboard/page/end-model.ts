/** What the run came to: the digest of its model, and whether everybody gets the same bits. */
import { byId, element } from './elements.ts';
import type { RunView } from './logic/run-view.ts';

export function showEndModel({ over }: RunView): void {
  document.getElementById('end-model')?.remove();
  if (over?.model === undefined) return;
  const { weightsDigest, isPublished } = over.model;
  const verdict = {
    true: element('strong', { class: 'same' }, 'the published digest: the same bits as everywhere'),
    false: element('strong', { class: 'other' }, 'NOT the published digest of this recipe: please report it'),
    null: '',
  }[`${isPublished}`];
  const shown = element(
    'p',
    { id: 'end-model', class: 'end-model' },
    'Weights digest ',
    element('code', {}, weightsDigest),
    ' ',
    verdict,
  );
  byId('reason').after(shown);
}
