/** The page on which a digit is drawn, and the current model says what it is. */
import { toSample } from '../../../shared/images/digit.ts';
import type { Prediction } from '../../../shared/predictor.ts';
import { reasonOf, takeToken } from './access.ts';
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
const pad = new Pad(byId('pad-place'), drawn, () => {
  refresh();
  rest();
});
let liveState: LiveState = { kind: 'connecting' };
/** True where the run is over and the model with which it ended could not be had. */
let hasMissedLast = false;
let isDue = false;
let resting: ReturnType<typeof setTimeout> | undefined;
let last: Prediction | null = null;
/** What was looked at last: most models come while nobody draws. */
let sample: Uint8Array | null = null;
let isDrawnAnew = false;

byId('clear').addEventListener('click', () => pad.clear());

function drawn(): void {
  isDrawnAnew = true;
  predict();
}

/** Looks at the drawing with the weights that are here, once a frame. */
function predict(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const { predictor } = weights;
    showAge();
    if (isDrawnAnew) {
      isDrawnAnew = false;
      sample = pad.drawing.isEmpty ? null : toSample(pad.drawing.image, 'digit');
      saved.show(sample);
    }
    last = sample === null || predictor === null ? null : predictor.predict(sample)[0];
    probabilities.show(last);
  });
}

/** Says of which step the weights are. */
function showAge(): void {
  const { steps } = weights;
  const note = hasMissedLast ? ', not the last model: that one could not be had' : '';
  setText(byId('after'), steps === null ? 'waiting for the model' : `after step ${grouped(steps)}${note}`);
}

function rest(): void {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if (last !== null) announce(`It looks like ${last.label}, ${percent(last.probabilities[last.label], 0)}`);
  }, restMs);
}

/** Has the newest weights fetched; what cannot be had now is tried again within a second. */
function refresh(): void {
  const { facts, now } = view;
  // Once the run is over nobody answers any more.
  if (document.hidden || facts === null || liveState.kind !== 'live') return;
  weights
    .prepare(facts)
    .then(() => weights.refresh(now?.step ?? null))
    .catch(showProblem);
}

function showProblem(error: unknown): void {
  if (weights.steps !== null) return; // the last model still answers
  setText(byId('after'), `the model cannot be had just now (${reasonOf(error)})`);
}

async function fetchLast(): Promise<void> {
  const { facts } = view;
  if (facts === null) return;
  try {
    await weights.prepare(facts);
    await weights.fetchLast();
  } catch (error) {
    hasMissedLast = view.over !== null;
    showAge();
    showProblem(error);
  }
}

setInterval(() => {
  showLive(liveState);
  refresh();
}, 1000);
void new Live(
  (message) => {
    view.take(message);
    if (message.type === 'run') hasMissedLast = false;
    if (message.type === 'over') void fetchLast();
    if (message.type === 'run' || message.type === 'now' || message.type === 'over')
      showHead(view, liveState);
  },
  (state) => {
    liveState = state;
    showLive(state);
    showHead(view, state);
    refresh();
  },
).follow();
