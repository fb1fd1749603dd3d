/** The page that shows a run. */
import type { FeedMessage } from '../feed.ts';
import { takeToken } from './access.ts';
import { announce } from './announce.ts';
import { BatchNorm } from './batch-norm.ts';
import { Charts } from './charts.ts';
import { ConfusionMatrix } from './confusion.ts';
import { showEndModel } from './end-model.ts';
import { Events } from './events.ts';
import { showFacts } from './facts.ts';
import { isPast, showHead, showLive, showTitle } from './head.ts';
import { Live, type LiveState } from './live.ts';
import { type Part, RunView } from './logic/run-view.ts';
import { redrawing } from './redraw.ts';
import { showSummary } from './summary.ts';
import { Timeline } from './timeline.ts';
import { Workers } from './workers.ts';

takeToken();
const view = new RunView();
const charts = new Charts(view);
const workers = new Workers();
const timeline = new Timeline(view);
const batchNorm = new BatchNorm(view);
const events = new Events();
const confusion = new ConfusionMatrix(view);
let liveState: LiveState = { kind: 'connecting' };
const head = (): void => {
  showHead(view, liveState);
  showTitle(view, liveState);
  showSummary(view);
};
const showWorkers = (): void => {
  const { kind } = liveState;
  const sinceMs = kind === 'over' || kind === 'lost' ? liveState.sinceMs : null;
  workers.show(view, isPast(view, liveState) ? sinceMs : null);
};

const changed = redrawing<Part>(
  new Map([
    ['facts', [() => showFacts(view), head]],
    ['now', [showWorkers, head]],
    ['points', [() => charts.show(), head]],
    ['batchNorm', [() => batchNorm.show()]],
    ['confusion', [() => confusion.show()]],
    ['timeline', [() => timeline.show()]],
    ['events', [() => events.show(view)]],
    ['over', [head, () => showEndModel(view)]],
  ]),
);

/** What changes the run is read aloud; what it was before the page came is not. */
function announceNews(message: FeedMessage): void {
  if (message.type === 'event') announce(message.event.text);
  else if (message.type === 'over') announce(`The run has ${endings[message.how]}. ${message.reason}`);
}

const endings = { finished: 'finished', stopped: 'been stopped', failed: 'failed' } as const;

setInterval(() => showLive(liveState), 1000);
void new Live(
  (message) => {
    changed(view.take(message));
    announceNews(message);
  },
  (state) => {
    liveState = state;
    showLive(state);
    changed(['now']);
  },
).follow();
