/** What is trained, and how: the recipe. */
import { byId, element } from './elements.ts';
import { grouped } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';

export function showFacts({ facts }: RunView): void {
  if (facts === null) return;
  const shown: [string, string][] = [
    ['model', facts.model],
    ['parameters', grouped(facts.parameters)],
    ['samples an epoch', grouped(facts.samples)],
    ['steps', grouped(facts.steps)],
  ];
  for (const [name, value] of Object.entries(facts.recipe)) {
    if (name !== 'model') shown.push([wordsOf(name), textOf(value)]);
  }
  shown.push(['kernels', facts.kernels], ['recipe id', facts.recipeId], ['Lockstep', facts.version]);
  byId('facts').replaceChildren(
    ...shown.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
  );
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
