/** A run that is killed again and again, at any moment, and goes on each time, is the run that was never disturbed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cleanEnvironment, type Finished, jsonOf, lockstep, program } from '../helpers/cli.ts';
import { randomNumbers } from '../helpers/reference/random-data.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const kills = 20;
/** 300 epochs of four steps, and one that is kept in its middle. */
const recipe = [
  ...[...tinyRecipe.slice(0, -2), '--data', data, '--epochs', '300'],
  ...['--optimizer', 'sgd(lr=0.02,momentum=0.9)', '--checkpoint-every', '3'],
];
const digests = ({
  recipeId,
  weightsDigest,
  stateDigest,
  chain,
  trainLoss,
  testLoss,
  testAccuracy,
}: object & Record<string, unknown>) => ({
  recipeId,
  weightsDigest,
  stateDigest,
  chain,
  trainLoss,
  testLoss,
  testAccuracy,
});

function done(t: Test, result: Finished): Record<string, unknown> {
  t.equal(result.code, 0, `exit code 0 ${result.stderr.slice(-300)}`);
  return jsonOf(result);
}

/** Bytes of the log, which grows with every step. */
function logBytes(folder: string): number {
  return statSync(join(folder, 'log.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
}

t.test(`kill −9 at a random moment, ${kills} times, each time on another number of threads`, async (t) => {
  const cwd = t.testdir();
  const straight = done(
    t,
    await lockstep(['train', ...recipe, '--run', 'whole', '--threads', '1', '--json', '--quiet'], { cwd }),
  );
  const random = randomNumbers(20261123);
  let killed = 0;
  let before = 0;
  for (let i = 0; killed < kills; i++) {
    const how = i === 0 ? [...recipe, '--run', 'r'] : ['--resume', 'r'];
    const args = ['train', ...how, '--threads', String(1 + (i % 3)), '--quiet'];
    const child = spawn(process.execPath, [program, ...args], {
      cwd,
      env: cleanEnvironment(),
      stdio: 'ignore',
    });
    const exited = once(child, 'close');
    // A random distance behind where it stood, so that it is at work, gets on, and does not get to its end.
    const goal = before + 1 + Math.floor(((random() + 1) / 2) * 8_000);
    await logReaches(join(cwd, 'r'), goal, child);
    child.kill('SIGKILL');
    const [code, signal] = await exited;
    if (signal === 'SIGKILL') killed += 1;
    else t.fail(`it ended with exit code ${code} before the kill`);
    before = logBytes(join(cwd, 'r'));
  }
  t.equal(killed, kills, 'each was killed while it ran');
  const last = done(
    t,
    await lockstep(['train', '--resume', 'r', '--threads', '2', '--json', '--quiet'], { cwd }),
  );
  t.ok(
    Number(last.resumedAtStep) > 0 && Number(last.resumedAtStep) < 1200,
    `the last went on at ${last.resumedAtStep}`,
  );
  t.equal(Number(last.resumedAtStep) + Number(last.stepsComputed), 1200);
  t.strictSame(digests(last), digests(straight), 'the same digests');
  t.strictSame(loggedOf(join(cwd, 'r')), loggedOf(join(cwd, 'whole')), 'the same log');
  for (const name of ['chain', 'model.safetensors', 'best.safetensors']) {
    t.ok(readFileSync(join(cwd, 'r', name)).equals(readFileSync(join(cwd, 'whole', name))), name);
  }
  const names = readdirSync(join(cwd, 'r'));
  t.strictSame(names.toSorted(), readdirSync(join(cwd, 'whole')).toSorted(), 'nothing of the killed is left');
  const { resumed } = JSON.parse(readFileSync(join(cwd, 'r', 'environment.json'), 'utf8'));
  t.equal(resumed.length, kills, 'each start is noted');

  const again = done(t, await lockstep(['train', '--resume', 'r', '--json', '--quiet'], { cwd }));
  t.strictSame(digests(again), digests(straight), 'a finished run gives its result again');
  t.match(again, { resumedAtStep: 1200, stepsComputed: 0, work: [] });
});

/** Waits until a run's log has so many bytes, or the process is gone. */
async function logReaches(folder: string, bytes: number, child: ChildProcess): Promise<void> {
  while (logBytes(folder) < bytes && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 2));
}
