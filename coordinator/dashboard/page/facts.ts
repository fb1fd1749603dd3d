/** What is trained, and how: the recipe. */
import { byId, element } from './elements.ts';
import { grouped } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';

/** More letters get a row of their own. */
const longValue = 32;

export function showFacts({ facts }: RunView): void {
  if (facts === null) return;
  const shown: [string, string][] = [
    ['model', facts.model],
    ['recipe id', facts.recipeId],
    ['parameters', grouped(facts.parameters)],
    ['samples an epoch', grouped(facts.samples)],
    ['steps an epoch', grouped(facts.steps)],
  ];
  for (const [name, value] of Object.entries(facts.recipe)) {
    if (name !== 'model') shown.push([wordsOf(name), textOf(value)]);
  }
  shown.push(['kernels', facts.kernels], ['Lockstep', facts.version]);
  byId('facts').replaceChildren(
    ...shown
      .toSorted(byLength)
      .map(([name, value]) =>
        element(
          'div',
          { class: value.length > longValue ? 'long' : undefined },
          element('dt', {}, name),
          element('dd', {}, value),
        ),
      ),
  );
}

/** Long ones first, otherwise as they are. */
function byLength([, a]: readonly string[], [, b]: readonly string[]): number {
  return Number(b.length > longValue) - Number(a.length > longValue);
}

/** `batch size` of `batchSize`. */
function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function textOf(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
