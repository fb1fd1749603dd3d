/** The library keeps runs and goes on with them: in memory or from files, to the same result. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadModel, type ResumeOptions, resume, type TrainOptions, train } from '../../scripts/index.ts';
import { LockstepError } from '../../shared/errors.ts';
import { loggedOf } from '../helpers/run-logs.ts';
import { tinyPixels } from '../helpers/tiny-data.ts';

t.setTimeout(120_000);

const split = (samples: number) => {
  const { pixels, digits } = tinyPixels(samples);
  return { images: pixels, labels: digits };
};
const data = { train: split(60), test: split(20) };
const fields: TrainOptions = {
  model: 'dense(4) batchnorm relu dense(10)',
  batchSize: 16,
  epochs: 4,
  optimizer: 'sgd(momentum=0.9)',
  threads: 1,
  data,
};
const base = t.testdir();
const whole = await train({ ...fields, run: join(base, 'whole') });

/** The code and the line with which a promise is refused. */
async function refused(promise: Promise<unknown>, code: string): Promise<string> {
  const error: unknown = await promise.then(() => null).catch((thrown: unknown) => thrown);
  if (!(error instanceof LockstepError)) throw new Error(`expected a LockstepError, got ${error}`);
  t.equal(error.code, code);
  return error.message;
}

/** A run that was stopped after so many steps. */
async function stoppedRun(name: string, steps: number, more: TrainOptions = {}): Promise<string> {
  const run = join(base, name);
  const onStep = ({ step }: { step: number }) => step < steps;
  const { summary } = await train({ ...fields, ...more, run, onStep });
  t.match(summary, { steps, stoppedBy: 'callback' });
  return run;
}

t.test('resume goes on with a run that was stopped', async (t) => {
  const run = await stoppedRun('stopped', 7, { checkpointEvery: 2, keep: 2 });
  t.ok(existsSync(join(run, 'checkpoints', 'step-000000007.safetensors')));
  const steps: number[] = [];
  const { model, summary } = await resume(run, {
    data,
    threads: 2,
    onStep: ({ step }) => void steps.push(step),
  });
  t.strictSame(steps, [8, 9, 10, 11, 12, 13, 14, 15, 16]);
  const { weightsDigest, stateDigest, trainLoss } = whole.summary;
  t.match(summary, {
    weightsDigest,
    stateDigest,
    trainLoss,
    resumedAtStep: 7,
    stepsComputed: 9,
    stoppedBy: null,
  });
  t.equal(model.weightsDigest, weightsDigest);
  t.equal(loadModel(join(run, 'model.safetensors')).weightsDigest, weightsDigest);
  t.strictSame(loggedOf(run), loggedOf(join(base, 'whole')));
  t.equal(readdirSync(join(run, 'checkpoints')).length, 2, 'it is kept as before: two checkpoints');
  const again = await resume(run);
  t.match(again.summary, { weightsDigest, stateDigest, trainLoss, stepsComputed: 0 });
  t.equal(again.model.weightsDigest, weightsDigest);
});

t.test('a run that stops early goes on to the same epoch, and to the same best one', async (t) => {
  const options = {
    ...fields,
    epochs: 30,
    optimizer: 'sgd(lr=2,momentum=0.9)',
    earlyStopping: 'testLoss(patience=2)',
  };
  const straight = await train(options);
  t.match(straight.summary, { stoppedBy: 'earlyStopping' });
  const run = join(base, 'early');
  const { epochs } = straight.summary;
  await train({ ...options, run, onStep: ({ step }) => step < 4 * epochs - 1 });
  const { summary } = await resume(run, { data });
  const { weightsDigest, stateDigest, bestEpoch } = straight.summary;
  t.match(summary, { weightsDigest, stateDigest, bestEpoch, stoppedBy: 'earlyStopping', stepsComputed: 1 });
  const again = await resume(run);
  t.match(again.summary, {
    weightsDigest,
    stateDigest,
    bestEpoch,
    stoppedBy: 'earlyStopping',
    stepsComputed: 0,
  });
});

t.test('the best model is that of the best epoch, the earlier of two, by what was asked for', async (t) => {
  const wild = { ...fields, optimizer: 'sgd(lr=2,momentum=0.9)' };
  for (const monitor of ['testLoss', 'testAccuracy'] as const) {
    const run = join(base, monitor);
    const values: number[] = [];
    await train({
      ...{ ...wild, epochs: 8, run, monitor },
      onEpoch: (report) => values.push(monitor === 'testLoss' ? -report.testLoss : report.testAccuracy),
    });
    const best = values.indexOf(Math.max(...values)) + 1;
    const until = await train({ ...wild, epochs: best });
    const { weightsDigest } = loadModel(join(run, 'best.safetensors'));
    t.equal(weightsDigest, until.summary.weightsDigest, `${monitor}: epoch ${best}`);
  }
});

t.test('a model to start from is kept before the first step', async (t) => {
  const from = whole.model;
  const straight = await train({ ...fields, from });
  const run = join(base, 'from');
  const first = join(run, 'checkpoints', 'step-000000000.safetensors');
  const isKept = async () => {
    while (!existsSync(first)) await new Promise((resolve) => setImmediate(resolve));
    return false;
  };
  await train({ ...fields, from, run, onStep: isKept });
  rmSync(join(run, 'checkpoints', 'step-000000001.safetensors'));
  const { weightsDigest, stateDigest } = straight.summary;
  const resumed = await resume(run, { data });
  t.match(resumed.summary, { weightsDigest, stateDigest, resumedAtStep: 0, stepsComputed: 16 });
  // Without any checkpoint the model is needed again.
  const second = join(base, 'from again');
  await train({ ...fields, from, run: second, onStep: () => false });
  for (const name of readdirSync(join(second, 'checkpoints'))) rmSync(join(second, 'checkpoints', name));
  t.match(
    await refused(resume(second, { data }), 'USAGE'),
    /^resume: init: the recipe starts from the model sha256:/,
  );
  t.match((await resume(second, { data, from })).summary, { weightsDigest, stateDigest });
});

t.test('what cannot be kept is told, and the training goes on', async (t) => {
  const run = join(base, 'broken');
  const warnings: LockstepError[] = [];
  const { summary } = await train({
    ...{ ...fields, run, checkpointEvery: 1, onWarning: (warning: LockstepError) => warnings.push(warning) },
    onStep: ({ step }) => {
      if (step !== 1) return;
      for (const name of ['checkpoints', 'best.safetensors']) {
        rmSync(join(run, name), { recursive: true, force: true });
        if (name === 'checkpoints') writeFileSync(join(run, name), 'no folder any more');
        else mkdirSync(join(run, name));
      }
    },
  });
  t.equal(summary.weightsDigest, whole.summary.weightsDigest);
  const lines = warnings.map(({ message }) => message);
  t.ok(
    lines.some((line) => /^cannot save the checkpoint of step \d+ .*training goes on/.test(line)),
    lines[0],
  );
  t.ok(
    lines.some((line) => /^cannot write ".*best\.safetensors" \(E.*training goes on/.test(line)),
    lines[1],
  );
});

t.test('who was taken for dead while it was frozen ends at the next checkpoint', async (t) => {
  const run = join(base, 'frozen');
  const onStep = ({ step }: { step: number }) => {
    if (step !== 2) return;
    const [own] = readdirSync(run).filter((name) => name.startsWith('lock-'));
    renameSync(join(run, own), join(run, 'lock-1-00000000.json'));
  };
  const message = await refused(train({ ...fields, run, onStep }), 'OUTPUT');
  t.match(message, /^another process goes on with the run in ".*frozen": this one did not move for too long/);
  t.notOk(existsSync(join(run, 'model.safetensors')));
});

t.test('how it was kept is taken by default, and that is said, where it cannot be read', async (t) => {
  const run = await stoppedRun('kept badly', 7, { keep: 2, monitor: 'testAccuracy' });
  const path = join(run, 'environment.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"keep": "2"', '"keep": "-2"'));
  const warnings: string[] = [];
  const { summary } = await resume(run, { data, onWarning: ({ message }) => void warnings.push(message) });
  t.equal(summary.weightsDigest, whole.summary.weightsDigest);
  t.equal(warnings.length, 1);
  t.match(warnings[0], /environment\.json": keep: got "-2", expected .*; going on with the default$/);
  t.match(readFileSync(path, 'utf8'), /"keep": "3",\s+"monitor": "testAccuracy"/, 'the rest as it was');
});

t.test('wrong options are refused', async (t) => {
  const folder = join(base, 'whole');
  t.match(
    await refused(train({ ...fields, run: folder }), 'USAGE'),
    /^train: run: ".*whole" is used already/,
  );
  t.match(await refused(train({ ...fields, keep: 3 }), 'USAGE'), /^train: keep: got it without run/);
  t.match(await refused(train({ ...fields, run: 'x', keep: 1 }), 'USAGE'), /^train: keep: got "1", expected/);
  const every = { ...fields, run: 'x', checkpointEvery: '5 parsecs' };
  t.match(await refused(train(every), 'USAGE'), /^train: checkpointEvery: got "5 parsecs"/);
  t.match(await refused(resume('nope'), 'USAGE'), /^resume: there is no "nope"/);
  const wrong = { epochs: 7 } as ResumeOptions;
  t.match(await refused(resume(folder, wrong), 'USAGE'), /^resume: unknown option "epochs"/);
  t.match(await refused(resume(7 as unknown as string), 'USAGE'), /^resume: got number, expected the folder/);
  const run = await stoppedRun('unfinished', 3);
  t.match(await refused(resume(run), 'USAGE'), /^resume: data: got nothing, expected the data in memory/);
  const other = { train: split(60), test: split(30) };
  t.match(
    await refused(resume(run, { data: other }), 'DATA'),
    /^resume: dataset: the data of .* has SHA-256/,
  );
  t.match(readFileSync(join(run, 'environment.json'), 'utf8'), /"data": "memory"/);
  t.notOk(
    readdirSync(run).some((name) => name.startsWith('lock-')),
    'nobody has it',
  );
});
