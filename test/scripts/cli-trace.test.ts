/** `--trace FILE`: a file that opens, however the run ended. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { phases } from '../../shared/timeline.ts';
import { type Finished, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { type CheckedTrace, checkTrace, mended } from '../helpers/trace-checker.ts';

t.setTimeout(120_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const untraced = ['train', ...tinyRecipe, '--data', data, '--json'];
const train = [...untraced, '--trace', 'trace.json'];
const endless = [...train, '--epochs', '1000000'];
const textIn = (cwd: string): string => readFileSync(join(cwd, 'trace.json'), 'utf8');
const traceIn = (cwd: string): CheckedTrace => checkTrace(textIn(cwd));
const names = (trace: CheckedTrace): string[] => [...new Set(trace.slices.map(({ name }) => name))];

t.test(
  'a run is in its trace: steps and phases of each thread, epochs, evaluations, checkpoints',
  async (t) => {
    const cwd = t.testdir();
    const plain = jsonOf(await lockstep([...untraced, '--no-run'], { cwd }));
    const result = await lockstep([...train, '--threads', '2', '--epochs', '2', '--run', 'r'], { cwd });
    t.equal(result.code, 0);
    const trace = traceIn(cwd);
    t.same(
      [...trace.threads],
      [
        ['1 1', 'run'],
        ['1 2', 'checkpoints'],
        ['2 1', 'thread 0'],
        ['2 2', 'thread 1'],
      ],
    );
    t.equal(trace.processes.get(2), 'this process');
    const found = names(trace);
    for (const phase of phases.filter((one) => one !== 'other')) t.ok(found.includes(phase), phase);
    for (const name of ['epoch 1', 'epoch 2', 'evaluation', 'step 1', 'step 8']) {
      t.ok(found.includes(name), name);
    }
    t.ok(found.some((name) => name.startsWith('checkpoint of step ')));
    for (const [i, slice] of trace.slices.entries()) {
      if (slice.pid === 2) t.ok(Number(slice.args.step) >= 1, `slice ${i} says its step`);
    }
    // Of a run this short all steps are there, one behind the other, and within their epochs.
    const steps = trace.slices.filter(
      ({ pid, tid, name }) => pid === 2 && tid === 1 && name.startsWith('step '),
    );
    t.same(
      steps.map(({ name }) => name),
      Array.from({ length: 8 }, (_, i) => `step ${i + 1}`),
    );
    for (const [i, step] of steps.entries()) {
      const epoch = trace.slices.find(({ name }) => name === `epoch ${1 + Math.floor(i / 4)}`);
      t.ok(
        epoch !== undefined && step.from >= epoch.from && step.to <= epoch.to,
        `${step.name} in its epoch`,
      );
    }
    t.ok(trace.counters.length > 0);
    const one = jsonOf(await lockstep([...train, '--no-run'], { cwd }));
    t.equal(one.weightsDigest, plain.weightsDigest, 'with the bits that it has without');
    t.equal(names(traceIn(cwd)).includes('epoch 2'), false, 'another run takes the place of the file');
  },
);

/** When it has trained for a while. */
const during = (action: (child: ChildProcess) => void) => (child: ChildProcess) =>
  whenShown(child.stderr, 'epoch      20/1000000', () => action(child));

t.test('Ctrl-C ends the run, and its trace', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const result = await lockstep([...endless, '--run', 'r'], {
    cwd,
    during: during((child) => child.kill('SIGINT')),
  });
  t.equal(result.code, 130);
  const trace = traceIn(cwd);
  t.equal(trace.instants.at(-1)?.name, 'end');
  t.ok(names(trace).includes('epoch 20'));
  t.match(result.stderr, / --resume r /, 'how to go on');
  t.notMatch(
    result.stderr.slice(result.stderr.indexOf(' --resume ')),
    /--trace/,
    'which leaves this trace alone',
  );
});

t.test('Ctrl-C twice ends the program, and its trace', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const slow = ['--model', 'dense(20000) relu dense(2000) relu dense(10)', '--batch-size', '60'];
  const twice = (child: ChildProcess) => {
    const look = setInterval(() => existsSync(join(cwd, 'trace.json')) && child.kill('SIGINT'), 100);
    child.once('exit', () => clearInterval(look));
  };
  const result = await lockstep([...endless, '--no-run', ...slow], { cwd, during: twice });
  t.equal(result.code, 130);
  t.equal(traceIn(cwd).instants.at(-1)?.name, 'end');
});

t.test('what is left of a run that was killed opens, too', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const killed = during((child) => child.kill('SIGKILL'));
  const result = await lockstep([...endless, '--no-run'], { cwd, during: killed });
  t.equal(result.signal, 'SIGKILL');
  t.throws(() => traceIn(cwd), /it ends in/);
  const trace = checkTrace(mended(textIn(cwd)));
  t.ok(names(trace).includes('epoch 19'), 'until a moment before the end');
});

t.test('a run that fails ends its trace', async (t) => {
  const cwd = t.testdir();
  const diverging = ['--optimizer', 'sgd(lr=1e38)', '--epochs', '50', '--no-run'];
  const result = await lockstep([...train, ...diverging], { cwd });
  t.equal(result.code, 1);
  t.match(result.stderr, /NaN or infinity/);
  const trace = traceIn(cwd);
  t.equal(trace.instants.at(-1)?.name, 'end');
  t.ok(names(trace).includes('epoch 1'));
});

t.test('a trace on a full device costs the trace, not the model', async (t) => {
  if (!existsSync('/dev/full')) return t.comment('no /dev/full');
  const cwd = t.testdir();
  const result = await lockstep([...train.with(train.indexOf('trace.json'), '/dev/full'), '--out', 'm'], {
    cwd,
  });
  t.equal(result.code, 1);
  t.match(
    result.stderr,
    /cannot write the trace "\/dev\/full" \(ENOSPC: .*; the run goes on without this trace\n/,
  );
  t.equal(jsonOf(result).model, 'm');
});

t.test('a coordinator traces all workers, and a worker its own threads; a death is in it', async (t) => {
  if (!hasSignals(t)) return;
  const cwd = t.testdir();
  const environment = { LOCKSTEP_TOKEN: 'a-token-of-a-test' };
  const workers: Promise<Finished>[] = [];
  const work = (url: string, name: string, killed = false) =>
    lockstep(
      ['worker', url, '--name', name, '--threads', name === 'otto' ? '2' : '1', '--trace', `${name}.json`],
      {
        cwd,
        environment,
        during: (child) => {
          if (killed) children.push(child);
        },
      },
    );
  const children: ChildProcess[] = [];
  const args = [
    'coordinator',
    ...endless.slice(1),
    '--threads',
    '0',
    '--no-run',
    '--shard-size',
    '4',
    '--workers',
    '3',
    '--listen',
    '127.0.0.1:0',
  ];
  const result = await lockstep(args, {
    cwd,
    environment,
    during: (child) => {
      let seen = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8');
        const url = /ws:\/\/127\.0\.0\.1:\d+/.exec(seen)?.[0];
        if (url !== undefined && workers.length === 0) {
          workers.push(work(url, 'mara'), work(url, 'otto'), work(url, 'zoe', true));
        }
      });
      whenShown(child.stderr, 'epoch      20/1000000', () => children[0].kill('SIGKILL'));
      whenShown(child.stderr, 'epoch     300/1000000', () => child.kill('SIGINT'));
    },
  });
  t.equal(result.code, 130);
  await Promise.all(workers);
  const trace = traceIn(cwd);
  const processes = [...trace.processes.values()].slice(1).sort();
  t.same(processes, ['mara', 'otto', 'zoe']);
  const threads = [...trace.threads.values()];
  for (const name of ['coordinator', 'exchanges with mara', 'exchanges with otto', 'thread 1']) {
    t.ok(threads.includes(name), name);
  }
  const found = names(trace);
  for (const name of [
    'merging',
    'sending',
    'update',
    'exchange 0',
    'exchange 2',
    'gather',
    'waiting',
    'gathering',
  ]) {
    t.ok(found.includes(name), name);
  }
  const happened = trace.instants.map(({ name, args }) => `${name} ${args.name}`);
  for (const what of ['joined mara', 'joined otto', 'joined zoe', 'died zoe'])
    t.ok(happened.includes(what), what);
  for (const name of ['mara', 'otto']) {
    const own = checkTrace(readFileSync(join(cwd, `${name}.json`), 'utf8'));
    t.same([...own.processes.values()], [`worker ${name}`, name]);
    t.ok(own.slices.length > trace.slices.filter(({ pid }) => trace.processes.get(pid) === name).length);
    t.ok(own.instants.some((instant) => instant.name === 'ready'));
  }
});
