/** How far the run is, in figures. */
import { byId, setText } from './elements.ts';
import { duration, grouped, percent, shortNumber, wholePercent } from './logic/format.ts';
import type { RunView } from './logic/run-view.ts';

export function showSummary({ facts, now, over, points, epochs }: RunView): void {
  if (facts === null || now === null) return;
  const steps = facts.epochs * facts.steps;
  const share = steps === 0 ? 1 : Math.min(1, now.step / steps);
  const bar = byId('progress') as HTMLProgressElement;
  bar.value = share;
  setText(byId('progress-text'), wholePercent(now.step, steps));
  // A recipe that stops early may end before its last epoch, so nothing here says how many there will be.
  setText(byId('fact-epoch'), `${grouped(now.epoch)} / ${grouped(facts.epochs)}`);
  setText(byId('fact-step'), grouped(now.step));
  setText(byId('fact-steps'), `of ${grouped(steps)}`);
  const isOver = over !== null || now.activity === 'over';
  setText(byId('fact-left'), isOver || now.secondsLeft === null ? '–' : duration(now.secondsLeft));
  // An epoch that has just begun has no loss yet.
  const loss = now.loss ?? points.at(-1)?.loss ?? null;
  setText(byId('fact-loss'), loss === null ? '–' : shortNumber(loss));
  const last = epochs.at(-1);
  setText(byId('fact-test'), last === undefined ? '–' : percent(last.testAccuracy));
  setText(byId('fact-test-loss'), last === undefined ? '' : `loss ${shortNumber(last.testLoss)}`);
  setText(byId('fact-speed'), isOver ? '–' : grouped(now.samplesPerSecond));
  const here = now.workers.filter(({ state }) => state !== 'gone');
  setText(byId('fact-workers'), grouped(here.length));
  const threads = here.reduce((sum, worker) => sum + worker.threads, 0);
  setText(byId('fact-threads'), `${grouped(threads)} ${threads === 1 ? 'thread' : 'threads'}`);
}
