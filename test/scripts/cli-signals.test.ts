/** Ctrl-C, SIGTERM and SIGUSR2, once and twice, and readers that go away. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const data = writeTinyData(join(t.testdir(), 'data'));
/** Epochs without end: only a signal ends it. */
const endless = ['train', ...tinyRecipe, '--data', data, '--epochs', '1000000', '--json'];

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGUSR2', 140],
] as const) {
  t.test(
    `${signal} ends the run after its step, with all that was done written: exit code ${code}`,
    async (t) => {
      if (!hasSignals(t)) return;
      const cwd = t.testdir();
      const during = (child: ChildProcess) =>
        whenShown(child.stderr, 'epoch       2/1000000', () => child.kill(signal));
      const result = await lockstep([...endless, '--run', 'r', '--out', 'm', '--threads', '2'], {
        cwd,
        during,
      });
      t.equal(result.code, code, 'exit code');
      t.equal(result.signal, null, 'it ended by itself');
      t.match(result.stderr, `${signal}: stopping after this step; again to end at once`);
      const summary = jsonOf(result);
      t.equal(summary.stoppedBy, 'signal');
      const steps = Number(summary.steps);
      t.ok(steps >= 8, `${steps} steps were done`);
      const logged = jsonLines(join(cwd, 'r', 'log.jsonl')).filter((line) => 'samples' in line);
      t.equal(logged.length, steps, 'each is in the log');
      const evaluated = jsonOf(await lockstep(['evaluate', 'm', '--data', data, '--json'], { cwd }));
      t.equal(evaluated.weightsDigest, summary.weightsDigest, 'the model is as it was after the last step');
      t.equal(evaluated.testLoss, summary.testLoss);
      t.notOk(existsSync(join(cwd, 'r', 'model.safetensors')), 'it would grow old in the folder of the run');
      const kept = jsonOf(await lockstep(['evaluate', 'r', '--data', data, '--json'], { cwd }));
      t.equal(kept.weightsDigest, summary.weightsDigest, 'where the newest checkpoint stands for it');
    },
  );

  t.test(`${signal} twice ends the program at once`, async (t) => {
    if (!hasSignals(t)) return;
    const cwd = t.testdir();
    // 23 million multiply-adds a sample, 60 samples, three layers, forward and backward: a step of seconds.
    const slow = [
      '--model',
      'dense(20000) relu dense(2000) relu dense(10)',
      '--batch-size',
      '60',
      '--threads',
      '1',
    ];
    const during = (child: ChildProcess) => {
      whenShown(child.stderr, 'thread', () => child.kill(signal));
      whenShown(child.stderr, 'stopping after this step', () => child.kill(signal));
    };
    const result = await lockstep([...endless, ...slow, '--no-run', '--out', 'm'], { cwd, during });
    t.equal(result.code, code, 'exit code');
    t.equal(result.signal, null, 'it ended by itself');
    t.match(
      result.stderr,
      /stopping after this step; again to end at once\n$/,
      'nothing came behind the first signal',
    );
    t.equal(result.stdout, '');
    t.notOk(existsSync(join(cwd, 'm')), 'no model was written');
  });
}

t.test('a reader that goes away costs neither the run nor its exit code', async (t) => {
  const short = ['train', ...tinyRecipe, '--data', data, '--epochs', '500'];
  for (const [name, stream, flags] of [
    ['stdout', 'stdout', []],
    ['stderr', 'stderr', ['--json']],
  ] as const) {
    const cwd = t.testdir();
    let closed = false;
    const during = (child: ChildProcess) =>
      whenShown(child[stream], 'epoch   2/500', () => {
        closed = true;
        child[stream]?.destroy();
      });
    const result = await lockstep([...short, '--run', 'r', ...flags], { cwd, during });
    t.ok(closed, `${name} was closed while it trained`);
    t.equal(result.code, 0, 'exit code');
    t.equal(jsonLines(join(cwd, 'r', 'log.jsonl')).length, 500 * 5, 'it went on to the end');
    t.ok(existsSync(join(cwd, 'r', 'model.safetensors')), 'and wrote its model');
  }
});
