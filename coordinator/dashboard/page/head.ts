/** The head of the page: what runs, whether this is live, how far it is. */
import { byId, setText } from './elements.ts';
import type { LiveState } from './live.ts';
import { clock, duration, wholePercent } from './logic/format.ts';
import type { Over, RunView } from './logic/run-view.ts';

/** A word for the activity, and what its dot looks like. */
function activityOf({ now, over }: RunView, { kind }: LiveState): { word: string; mark: string } {
  if (over !== null) return endOf(over);
  if (now === null) return { word: kind === 'waiting' ? 'waiting' : 'connecting', mark: 'new' };
  if (kind === 'lost') return { word: `was ${now.activity}`, mark: 'past' };
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

/** True where what is shown is how it was: the run is over, or nothing is heard of it. */
export function isPast({ over }: RunView, { kind }: LiveState): boolean {
  return over !== null || kind === 'over' || kind === 'lost';
}

export function showHead(view: RunView, state: LiveState): void {
  const { facts, over } = view;
  if (facts !== null) {
    setText(byId('recipe-name'), facts.recipeName);
    setText(byId('recipe-id'), facts.recipeId.slice(0, 8));
    byId('recipe-id').title = facts.recipeId;
  }
  const { word, mark } = activityOf(view, state);
  setText(byId('activity'), word);
  byId('activity').dataset.mark = mark;
  const reason = over !== null && over.how !== 'finished' ? over.reason : '';
  setText(byId('reason'), reason);
  byId('reason').hidden = reason === '';
}

/** Names the tab after how far the run is, or what it does instead of training. */
export function showTitle(view: RunView, state: LiveState): void {
  const { facts, now, over } = view;
  if (facts === null) return;
  const isTraining = over === null && now !== null && now.activity !== 'waiting' && state.kind !== 'lost';
  const how = isTraining ? wholePercent(now.step, facts.epochs * facts.steps) : activityOf(view, state).word;
  document.title = `${state.kind === 'lost' && over === null ? 'not live' : how} · ${facts.recipeName} · Lockstep`;
}

/** Says whether what is shown is what is. Called every second, too: time passes while nothing comes. */
export function showLive(state: LiveState): void {
  const target = byId('live');
  setText(target, liveText(state));
  target.dataset.state = state.kind;
  // Apart from the status, which would be read aloud every second.
  const age = state.kind === 'lost' ? `${duration((Date.now() - state.sinceMs) / 1000)} ago` : '';
  setText(byId('live-age'), age);
  document.body.classList.toggle('not-live', state.kind === 'lost');
}

function liveText(state: LiveState): string {
  switch (state.kind) {
    case 'connecting':
    case 'live':
      return state.kind;
    case 'waiting':
      return `waiting: ${state.reason}`;
    case 'over':
      return 'the run is over';
    case 'lost':
      return `not live since ${clock(state.sinceMs)}, trying again`;
    default:
      return state satisfies never;
  }
}
