/** The page that shows a run. */
import { takeToken } from './access.ts';
import { BatchNorm } from './batch-norm.ts';
import { Charts } from './charts.ts';
import { ConfusionMatrix } from './confusion.ts';
import { showEndModel } from './end-model.ts';
import { Events } from './events.ts';
import { showFacts } from './facts.ts';
import { showHead, showLive } from './head.ts';
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
const confusion = new ConfusionMatrix();
const head = (): void => {
  showHead(view);
  showSummary(view);
};

const changed = redrawing<Part>(
  new Map([
    ['facts', [() => showFacts(view), head]],
    ['now', [() => workers.show(view), head]],
    ['points', [() => charts.show(), head]],
    ['batchNorm', [() => batchNorm.show()]],
    ['confusion', [() => confusion.show(view)]],
    ['timeline', [() => timeline.show()]],
    ['events', [() => events.show(view)]],
    ['over', [head, () => showEndModel(view)]],
  ]),
);

let liveState: LiveState = { kind: 'connecting' };
setInterval(() => showLive(liveState), 1000);
void new Live(
  (message) => changed(view.take(message)),
  (state) => {
    liveState = state;
    showLive(state);
  },
).follow();
