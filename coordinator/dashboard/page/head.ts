/** The head of the page: what runs, whether this is live, how far it is. */
import { byId, setText } from './elements.ts';
import type { LiveState } from './live.ts';
import { duration } from './logic/format.ts';
import type { Over, RunView } from './logic/run-view.ts';

/** A word for the activity, and what its dot looks like. */
function activityOf({ now, over }: RunView): { word: string; mark: string } {
  if (over !== null) return endOf(over);
  if (now === null) return { word: 'connecting', mark: 'new' };
  switch (now.activity) {
    case 'waiting':
      return { word: now.waitingFor ?? 'waiting', mark: 'warning' };
    case 'training':
    case 'evaluating':
      return { word: now.activity, mark: 'good' };
    case 'over':
      return { word: 'over', mark: 'done' };
    default:
      return now.activity satisfies never;
  }
}

function endOf({ how }: Over): { word: string; mark: string } {
  switch (how) {
    case 'finished':
      return { word: 'finished', mark: 'done' };
    case 'stopped':
      return { word: 'stopped', mark: 'warning' };
    case 'failed':
      return { word: 'failed', mark: 'bad' };
    default:
      return how satisfies never;
  }
}

export function showHead(view: RunView): void {
  const { facts, over } = view;
  if (facts !== null) {
    setText(byId('recipe-name'), facts.recipeName);
    setText(byId('recipe-id'), facts.recipeId.slice(0, 8));
    byId('recipe-id').title = facts.recipeId;
  }
  const { word, mark } = activityOf(view);
  setText(byId('activity'), word);
  byId('activity').dataset.mark = mark;
  const reason = over !== null && over.how !== 'finished' ? over.reason : '';
  setText(byId('reason'), reason);
  byId('reason').hidden = reason === '';
}

/** Says whether what is shown is what is. Called every second, too: time passes while nothing comes. */
export function showLive(state: LiveState): void {
  const target = byId('live');
  const text = {
    connecting: () => 'connecting',
    live: () => 'live',
    over: () => 'the run is over',
    lost: () =>
      state.kind === 'lost'
        ? `not live since ${duration((Date.now() - state.sinceMs) / 1000)}, trying again`
        : '',
  }[state.kind]();
  setText(target, text);
  target.dataset.state = state.kind;
  document.body.classList.toggle('not-live', state.kind === 'lost');
}
