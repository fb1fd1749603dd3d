/** What came of a training, in the end: how good it is, how long it took, who did what, what to do with it. */
import { digestOf } from '../recipes/digests.ts';
import type { Summary } from '../summary.ts';
import { travelOf, travelText } from '../travel.ts';
import { grouped, percent, plural, type Screen } from './screen.ts';
import { commandText } from './shell-word.ts';

/** Command lines, word by word. */
export interface NextSteps {
  /** To look at the model with; none if it was not written. */
  readonly look: readonly (readonly string[])[];
  /** To train the same on another number of threads. */
  readonly again: readonly string[];
  /** To go on with a run that was stopped; null for one that is not kept. */
  readonly goOn: readonly string[] | null;
  /** What has to stand before that: a launcher of ranks, or nothing. */
  readonly launcher: string;
}

/** How to go on with a run that was stopped, in one line. */
export function showGoOn(screen: Screen, { goOn, launcher }: NextSteps): void {
  if (goOn !== null) screen.line(`to go on: ${launcher}${commandText(goOn)}`);
}

/** True for a run that is not done: somebody stopped it. */
export function isStopped({ stoppedBy }: Summary): boolean {
  return stoppedBy === 'signal' || stoppedBy === 'callback';
}

export function showSummary(
  screen: Screen,
  summary: Summary,
  models: readonly string[],
  next: NextSteps,
): void {
  const { look, again } = next;
  const { testAccuracy, testLoss, samplesPerSecond, seconds, work, deaths } = summary;
  const row = (name: string, value: string) => screen.text(value, `${name.padEnd(15)} `);
  const command = (words: readonly string[]) => screen.line(`  ${commandText(words)}`);
  screen.line();
  if (isStopped(summary)) row('stopped after', `step ${grouped(summary.steps)}`);
  if (summary.stoppedBy === 'earlyStopping') row('stopped early', `after epoch ${grouped(summary.epochs)}`);
  if (summary.bestEpoch !== null) row('best weights', `those of epoch ${grouped(summary.bestEpoch)}`);
  row('test accuracy', `${percent(testAccuracy)}, loss ${testLoss.toFixed(4)}`);
  const speed = samplesPerSecond === null ? '' : `, ${grouped(samplesPerSecond)} samples/s`;
  row('time', `${seconds.toFixed(1)} s${speed}`);
  const noun = summary.workers > 0 ? 'worker' : 'thread';
  if (work.length > (summary.workers > 0 ? 0 : 1) && summary.stepsComputed > 0)
    row('shards', sharesOf(work, noun));
  if (summary.workers > 0) row('workers', `${grouped(summary.workers)}, ${plural(summary.joins, 'join')}`);
  const shards = plural(summary.shardsRecomputed, 'shard');
  if (deaths > 0) row('lost', `${plural(deaths, noun)}, ${shards} computed again`);
  else if (summary.shardsRecomputed > 0)
    row('computed again', `${shards}, of workers that left or were late`);
  const travel = travelText(travelOf(work));
  if (travel !== null) {
    row('up', travel.up);
    row('down', travel.down);
  }
  row('weights digest', summary.weightsDigest);
  if (!isStopped(summary)) showVerdict(screen, summary);
  for (const path of models) row('model', path);
  if (look.length > 0) {
    screen.line();
    screen.line('Look at it:');
    for (const words of look) command(words);
  }
  if (isStopped(summary)) {
    screen.line();
    showGoOn(screen, next);
    return;
  }
  if (look.length === 0) screen.line();
  screen.line(`The same bits on ${again.at(-1) === '1' ? 'one thread' : 'two threads'}:`);
  command(again);
}

/** A recipe whose digest is published shows at once whether this machine keeps the promise. */
function showVerdict(screen: Screen, { recipeId: id, weightsDigest }: Summary): void {
  const published = digestOf(id);
  if (published === null) return;
  const indent = ' '.repeat(16);
  if (published === weightsDigest) {
    screen.line(`${indent}${screen.style('green', 'the published digest: the same bits as everywhere')}`);
  } else {
    screen.line(`${indent}${screen.style('red', 'NOT the published digest of this recipe:')}`);
    screen.line(`${indent}${published}`);
    screen.line(`${indent}please report this machine, its Node version and the two digests`);
  }
}

/** Who computed how much: `50.0 % thread 0, 50.0 % thread 1`, or from least to most where there are many. */
function sharesOf(work: Summary['work'], noun: string): string {
  const total = work.reduce((sum, { shards }) => sum + shards, 0);
  const share = (shards: number) => `${((100 * shards) / total).toFixed(1)} %`;
  if (work.length <= 4) return work.map(({ name, shards }) => `${share(shards)} ${name}`).join(', ');
  const counts = work.map(({ shards }) => shards);
  return `${share(Math.min(...counts))} to ${share(Math.max(...counts))} by each of ${work.length} ${noun}s`;
}
