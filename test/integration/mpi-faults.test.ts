/** What can go wrong in a job of ranks: it ends with one clear line, nobody is left behind, and --resume goes on. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { jobEnvironment } from '../../scripts/ranks/mpirun.ts';
import { cleanEnvironment, lockstep } from '../helpers/cli.ts';
import { linesOf, type StartedJob, startJob, survivors } from '../helpers/mpi-job.ts';
import { mpirunsHere } from '../helpers/mpiruns.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(400_000);

/** 4 steps an epoch of 60 samples; shards of 3 make 6 of them in a batch of 16. */
const recipe = [
  ...['--model', 'dense(24) batchnorm relu dense(10)', '--batch-size', '16', '--shard-size', '3'],
  ...['--data', 'data', '--batch-norm', 'sync'],
];
const long = [...recipe, '--epochs', '4000'];
const ranks = ['--transport', 'mpi', '--threads', '1'];

/** Else ranks see each other's memory. */
const carried = ['--no-shared-memory'];

const mpiruns = mpirunsHere(t);

const helper = (name: string) => new URL(`../helpers/${name}.js`, import.meta.url).href;

/** Waits until a run has a checkpoint, so that it is in the middle of its steps. */
async function underWay(run: string): Promise<void> {
  const folder = join(run, 'checkpoints');
  for (let i = 0; i < 1500; i++) {
    if (existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.safetensors'))) return;
    await setTimeout(20);
  }
  throw new Error(`${run} did not begin`);
}

for (const mpirun of mpiruns) {
  const name = basename(mpirun);
  const start = (t: Test, cwd: string, count: number, args: readonly string[]): StartedJob =>
    startJob(t, { cwd, command: [mpirun], args: Array.from({ length: count }, () => args) });
  /** A run whose job ended goes on with two ranks. Fewer epochs are another recipe, so it is stopped and compared there. */
  const goesOn = async (t: Test, cwd: string): Promise<void> => {
    const resumed = start(t, cwd, 2, ['train', '--resume', 'run', ...ranks, '--json']);
    const pids = await resumed.pids();
    const before = stepsIn(join(cwd, 'run'));
    while (stepsIn(join(cwd, 'run')) <= before + 8) await setTimeout(20);
    process.kill(pids[0], 'SIGTERM');
    const { code, stdout, stderr } = await resumed.finished;
    const summary = JSON.parse(stdout || '{}');
    t.equal(summary.stoppedBy, 'signal', stderr);
    t.not(code, 0);
    t.ok(summary.resumedAtStep > 0, `went on at step ${summary.resumedAtStep}`);
    t.equal(
      await chainAlone(cwd, summary.steps),
      summary.chain,
      `${summary.steps} steps have the bits of one thread`,
    );
  };
  const newFolder = (folder: string) => {
    writeTinyData(join(folder, 'data'));
    return folder;
  };

  for (const [what, rank, by] of [
    ['a rank', 1, []],
    ['rank 0', 0, carried],
  ] as const) {
    t.test(`${what} is killed: the job ends, and --resume goes on with other ranks (${name})`, async (t) => {
      const cwd = newFolder(t.testdir({}));
      const job = start(t, cwd, 3, [
        'train',
        ...[...long, ...ranks, ...by],
        '--run',
        'run',
        '--checkpoint-every',
        '1s',
        '--quiet',
      ]);
      const pids = await job.pids();
      await underWay(join(cwd, 'run'));
      process.kill(pids[rank], 'SIGKILL');
      const killed = await job.finished;
      t.not(killed.code, 0, `exit code ${killed.code}`);
      t.match(
        killed.stdout + killed.stderr,
        /signal 9|KILLED BY SIGNAL: 9|BAD TERMINATION/,
        'mpirun says who died',
      );
      t.same(await survivors(pids), [], 'nobody is left');
      await goesOn(t, cwd);
    });
  }

  // Whichever MPI it is, it has no part in the threads.
  if (mpirun === mpiruns[0]) {
    t.test(`a thread of a rank dies: one line says where, and --resume goes on (${name})`, async (t) => {
      const cwd = newFolder(t.testdir({}));
      const args = ['train', ...long, '--transport', 'mpi', '--threads', '2', '--run', 'run', '--quiet'];
      const environment = { NODE_OPTIONS: `--import=${helper('mortal-threads')}` };
      const job = startJob(t, { cwd, command: [mpirun], args: [args, args], environment });
      const pids = await job.pids();
      await underWay(join(cwd, 'run'));
      process.kill(pids[1], 'SIGWINCH');
      const { code, stderr } = await job.finished;
      t.not(code, 0);
      const lines = linesOf({ stderr });
      t.equal(lines.length, 1, stderr);
      t.match(
        lines[0],
        /^lockstep: rank 1 \(.+\) (at|after) step \d+: thread 1 .*; the job ends, and goes on/,
      );
      t.same(await survivors(pids), [], 'nobody is left');
      await goesOn(t, cwd);
    });
  }

  t.test(`an error of MPI within a step is one line, of that rank and step (${name})`, async (t) => {
    const fields = { model: 'dense(24) batchnorm relu dense(10)', batchSize: 16, shardSize: 2, epochs: 3 };
    const spoiled = fileURLToPath(helper('spoiled-rank'));
    const words = ['-n', '2', process.execPath, spoiled, '1', JSON.stringify(fields)];
    const env = { ...cleanEnvironment(), ...jobEnvironment };
    const { status, stderr } = spawnSync(mpirun, words, { env, encoding: 'utf8', timeout: 60_000 });
    t.not(status, 0);
    t.equal(linesOf({ stderr }).length, 1, stderr);
    t.match(
      linesOf({ stderr })[0],
      /^lockstep: rank 1 \(.+\) at step 5: MPI_Ialltoallv of .+ failed with error code \d+ \(.+\); the job ends/,
    );
  });

  for (const [how, by] of [
    ['by windows', []],
    ['by MPI', carried],
  ] as const)
    t.test(`a frozen rank is named at the deadline, and all end (${name}, ${how})`, async (t) => {
      const cwd = newFolder(t.testdir({}));
      const args = ['train', ...long, ...ranks, ...by, '--run', 'run', '--step-timeout', '2s', '--quiet'];
      const job = start(t, cwd, 3, args);
      const pids = await job.pids();
      await underWay(join(cwd, 'run'));
      process.kill(pids[2], 'SIGSTOP');
      const { code, stderr } = await job.finished;
      process.kill(pids[2], 'SIGCONT');
      t.not(code, 0);
      const lines = linesOf({ stderr });
      t.equal(lines.length, 1, stderr);
      t.match(lines[0], /rank 2 (\(.+\) )?did not come/);
      t.same(await survivors(pids), [], 'nobody is left');
      const [newest] = storedSteps(join(cwd, 'run')).slice(-1);
      // It may have been frozen in an evaluation, of which there is one after every fourth step.
      const step = Number(/of step (\d+) within 2 s;/.exec(lines[0])?.[1] ?? newest + 1);
      t.equal(newest + 1, step, 'every step before is kept');
    });

  t.test(
    `a rank that is slow to hear of a signal ends with the others, after the same step (${name})`,
    async (t) => {
      const cwd = newFolder(t.testdir({}));
      const job = start(t, cwd, 2, ['train', ...long, ...ranks, '--run', 'run', '--json']);
      const pids = await job.pids();
      await underWay(join(cwd, 'run'));
      process.kill(pids[1], 'SIGSTOP');
      for (const pid of pids) process.kill(pid, 'SIGUSR2');
      // Rank 0 has come to the end of what it can do alone when nothing is written any more.
      for (let before = -1; before !== stepsIn(join(cwd, 'run')); await setTimeout(200)) {
        before = stepsIn(join(cwd, 'run'));
      }
      process.kill(pids[1], 'SIGCONT');
      const { stdout, stderr, code } = await job.finished;
      const summary = JSON.parse(stdout || '{}');
      t.equal(summary.stoppedBy, 'signal', stderr);
      t.ok(code === 140 || name.includes('mpich'), `exit code ${code}`);
      t.same(storedSteps(join(cwd, 'run')).slice(-1), [summary.steps], 'that step is kept');
      t.same(await survivors(pids), []);
    },
  );

  t.test(`one signal to any rank ends all after the same step (${name})`, async (t) => {
    for (const [rank, signal, code] of [
      [1, 'SIGINT', 130],
      [0, 'SIGUSR2', 140],
    ] as const) {
      const cwd = newFolder(t.testdir({}));
      const job = start(t, cwd, 2, ['train', ...long, ...ranks, '--run', 'run', '--json']);
      const pids = await job.pids();
      await underWay(join(cwd, 'run'));
      process.kill(pids[rank], signal);
      const { stdout, stderr, code: exitCode } = await job.finished;
      const summary = JSON.parse(stdout || '{}');
      t.equal(summary.stoppedBy, 'signal', stderr);
      t.ok(exitCode === code || name.includes('mpich'), `${signal} to rank ${rank}: exit code ${exitCode}`);
      t.same(storedSteps(join(cwd, 'run')).slice(-1), [summary.steps], 'that step is kept');
      t.match(stderr, /to go on: mpirun -n 2 npm exec/);
    }
  });

  const wrong: readonly [what: string, others: readonly string[], line: RegExp][] = [
    [
      'another seed',
      ['--seed', '5'],
      /recipes differ, rank 0 \(.*\) against rank 1 \(.*\): seed 0 against 5/,
    ],
    ['another model', ['--model', 'dense(10)'], /recipes differ.*model/],
    ['no data', ['--data', 'nowhere'], /rank 1 on host .*: --data: got "nowhere"/],
    ['a wrong flag', ['--bogus'], /rank 1 on host .*: unknown flag "--bogus"/],
    ['a batch size of 0', ['--batch-size', '0'], /rank 1 on host .*: --batch-size: got 0/],
  ];
  for (const [what, others, line] of wrong) {
    t.test(`${what} on one rank is one line (${name})`, async (t) => {
      const cwd = newFolder(t.testdir({}));
      const args = ['train', ...recipe, ...ranks, '--epochs', '1', '--no-run', '--quiet'];
      const job = startJob(t, { cwd, command: [mpirun], args: [args, [...args, ...others]] });
      const pids = await job.pids();
      const { code, stderr } = await job.finished;
      t.not(code, 0);
      t.equal(linesOf({ stderr }).length, 1, stderr);
      t.match(linesOf({ stderr })[0], line);
      t.same(await survivors(pids), []);
    });
  }

  t.test(
    `a finished run gives its result again, or says what is wrong with the command (${name})`,
    async (t) => {
      const cwd = newFolder(t.testdir({}));
      const first = await start(t, cwd, 2, [
        'train',
        ...recipe,
        ...ranks,
        '--epochs',
        '2',
        '--run',
        'run',
        '--json',
      ]).finished;
      t.equal(first.code, 0, first.stderr);
      const { code, stdout } = await start(t, cwd, 3, ['train', '--resume', 'run', ...ranks, '--json'])
        .finished;
      t.equal(code, 0);
      t.equal(JSON.parse(stdout).weightsDigest, JSON.parse(first.stdout).weightsDigest);
      const wrong = await start(t, cwd, 2, ['train', '--resume', 'run', ...ranks, '--seed', '5']).finished;
      t.equal(wrong.code, 2, wrong.stderr);
      t.match(linesOf(wrong), [/^lockstep: --seed: got "5"/]);
    },
  );

  t.test(`what all ranks have wrong is one line (${name})`, async (t) => {
    const cwd = newFolder(t.testdir({}));
    for (const [args, line] of [
      [['--bogus'], /^lockstep: unknown flag "--bogus"/],
      [['--optimizer', 'nope'], /^lockstep: --optimizer: /],
      [['--resume', 'nowhere'], /^lockstep: --resume: there is no "nowhere"/],
      [['--listen', '127.0.0.1:0'], /^lockstep: --listen: .*nobody joins/],
    ] as const) {
      const job = start(t, cwd, 3, ['train', ...ranks, ...args]);
      const { code, stderr } = await job.finished;
      t.equal(code, 2, `${args.join(' ')}: exit code 2`);
      t.equal(linesOf({ stderr }).length, 1, stderr);
      t.match(linesOf({ stderr })[0], line);
    }
  });

  t.test(`a step that diverges ends all with the words of one process (${name})`, async (t) => {
    const cwd = newFolder(t.testdir({}));
    const args = ['train', ...recipe, '--optimizer', 'sgd(lr=1e38)', '--epochs', '2', '--no-run', '--quiet'];
    const alone = await lockstep([...args, '--threads', '1'], { cwd });
    const { code, stderr } = await start(t, cwd, 3, [...args, ...ranks]).finished;
    t.equal(code, alone.code);
    t.equal(alone.code, 1);
    t.same(linesOf({ stderr }), linesOf(alone), stderr);
  });
}

function storedSteps(run: string): number[] {
  return readdirSync(join(run, 'checkpoints'))
    .flatMap((file) => Number(/^step-(\d+)\.safetensors$/.exec(file)?.[1] ?? Number.NaN))
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/** Steps that the log tells of. */
function stepsIn(run: string): number {
  return readFileSync(join(run, 'log.jsonl'), 'utf8').split('\n').length;
}

/** The chain after so many steps of the long recipe on one thread. */
async function chainAlone(cwd: string, steps: number): Promise<string> {
  const epochs = String(Math.ceil(steps / 4));
  const args = ['train', ...recipe, '--epochs', epochs, '--threads', '1', '--run', 'alone', '--quiet'];
  const { code, stderr } = await lockstep(args, { cwd });
  if (code !== 0) throw new Error(stderr);
  return readFileSync(join(cwd, 'alone', 'chain'))
    .subarray(32 * steps, 32 * (steps + 1))
    .toString('hex');
}
