/** The page on which a digit is drawn, and the current model says what it is. */
import { toSample } from '../../../shared/images/digit.ts';
import type { Prediction } from '../../../shared/predictor.ts';
import { takeToken } from './access.ts';
import { announce } from './announce.ts';
import { byId, setText } from './elements.ts';
import { showHead, showLive } from './head.ts';
import { Live, type LiveState } from './live.ts';
import { grouped, percent } from './logic/format.ts';
import { RunView } from './logic/run-view.ts';
import { Pad } from './pad.ts';
import { Probabilities } from './probabilities.ts';
import { SavedSample } from './saved-sample.ts';
import { Weights } from './weights.ts';

/** So long after the last line a drawing is taken for done, and the answer is read aloud. */
const restMs = 700;

takeToken();
const view = new RunView();
const probabilities = new Probabilities();
const saved = new SavedSample();
const weights = new Weights(() => predict());
const pad = new Pad(byId('pad-place'), predict, () => {
  refresh();
  rest();
});
let isDue = false;
let resting: ReturnType<typeof setTimeout> | undefined;
let last: Prediction | null = null;

byId('clear').addEventListener('click', () => pad.clear());

/** Looks at the drawing with the weights that are here, once a frame. */
function predict(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const { predictor, steps } = weights;
    setText(byId('after'), steps === null ? 'waiting for the model' : `after step ${grouped(steps)}`);
    if (pad.drawing.isEmpty) {
      saved.show(null);
      last = null;
    } else {
      const sample = toSample(pad.drawing.image, 'digit');
      saved.show(sample);
      last = predictor === null ? null : predictor.predict(sample)[0];
    }
    probabilities.show(last);
  });
}

function rest(): void {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if (last !== null) announce(`It looks like ${last.label}, ${percent(last.probabilities[last.label], 0)}`);
  }, restMs);
}

function refresh(): void {
  // What cannot be had now is tried again within a second; how old the weights are is said all the time.
  weights.refresh(view.now?.step ?? null).catch((error: unknown) => showProblem(error));
}

function showProblem(error: unknown): void {
  if (weights.steps !== null) return; // the last model still answers
  setText(
    byId('after'),
    `the model cannot be had just now (${error instanceof Error ? error.message : error})`,
  );
}

let liveState: LiveState = { kind: 'connecting' };
setInterval(() => {
  showLive(liveState);
  if (!document.hidden && liveState.kind !== 'lost') refresh();
}, 1000);
void new Live(
  (message) => {
    view.take(message);
    if (message.type === 'run') {
      weights
        .prepare(message.facts)
        .then(refresh)
        .catch((error: unknown) => showProblem(error));
    }
    if (message.type === 'over') weights.fetchLast().catch((error: unknown) => showProblem(error));
    if (message.type === 'run' || message.type === 'now' || message.type === 'over') showHead(view);
  },
  (state) => {
    liveState = state;
    showLive(state);
  },
).follow();
