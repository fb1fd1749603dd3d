import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TraceFile } from '../../coordinator/trace-file.ts';
import { checkTracePlace } from '../../coordinator/trace-place.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { hasFile } from '../helpers/platform.ts';
import { checkTrace, mended } from '../helpers/trace-checker.ts';

const traceModule = new URL('../../coordinator/trace-file.js', import.meta.url).href;
const track = { pid: 1, tid: 2 };

function begin(t: Test, path = join(t.testdir(), 'new', 'trace.json'), mostBytes?: number) {
  const alarms: LockstepError[] = [];
  const file = new TraceFile(path, (error) => alarms.push(error), mostBytes);
  file.process(1, 'a run', 'of "something"');
  file.thread(track, 'a thread');
  return { path, file, alarms, text: () => readFileSync(path, 'utf8'), beginMs: performance.now() };
}

t.test('what is written is a trace by the book, whatever the names in it', (t) => {
  const { file, text, beginMs } = begin(t);
  file.complete(track, 'outer', beginMs + 1, beginMs + 3, { step: 7 });
  file.complete(track, 'inner', beginMs + 1, beginMs + 2);
  file.complete(track, 'inner', beginMs + 2, beginMs + 3);
  const hostile = '"},\u0000\n\u2028]</script>\ud800__proto__';
  file.instant(track, hostile, beginMs + 4, { hostile, yes: true });
  file.counter(track, 'loss', beginMs + 5, 0.25);
  file.write();
  file.close();
  file.close();
  file.instant(track, 'too late', beginMs);
  file.write();
  const trace = checkTrace(text());
  t.same([...trace.processes], [[1, 'a run']]);
  t.same([...trace.threads], [['1 2', 'a thread']]);
  t.match(trace.slices, [{ name: 'outer', args: { step: 7 } }, { name: 'inner' }, { name: 'inner' }]);
  const [outer, first, second] = trace.slices;
  t.ok(Math.abs(outer.to - outer.from - 2e6) <= 1, 'two milliseconds');
  t.same([first.from, first.to, second.to], [outer.from, second.from, outer.to]);
  t.equal(trace.instants.length, 1);
  t.equal(trace.instants[0].args.yes, true);
  t.match(trace.counters, [{ name: 'loss', value: 0.25 }]);
  t.end();
});

t.test('at any moment the file is whole but for its end', (t) => {
  const { file, text, beginMs } = begin(t);
  file.write();
  for (let i = 0; i < 20; i++) {
    file.complete(track, `slice ${i}`, beginMs + i, beginMs + i + 1);
    file.write();
    t.throws(() => checkTrace(text()), /it ends in/);
    t.equal(checkTrace(mended(text())).slices.length, i + 1);
  }
  file.close();
  t.end();
});

t.test('what was before it began is at its beginning', (t) => {
  const { file, text, beginMs } = begin(t);
  file.complete(track, 'early', beginMs - 5000, beginMs - 4000);
  file.close();
  t.match(checkTrace(text()).slices, [{ from: 0, to: 0 }]);
  t.end();
});

t.test('a full trace ends there, whole, with one warning', (t) => {
  const mostBytes = 2 ** 20;
  const { file, text, alarms, beginMs } = begin(t, undefined, mostBytes);
  for (let i = 0; i < 20_000; i++) {
    file.complete(track, 'slice', beginMs + i, beginMs + i + 1, { step: i });
    if (i % 7 === 0) file.write();
  }
  const whole = text();
  file.close();
  t.equal(text(), whole, 'nothing comes after the end');
  const trace = checkTrace(whole);
  t.ok(Buffer.byteLength(whole) <= mostBytes && Buffer.byteLength(whole) > mostBytes - 4096);
  t.ok(trace.slices.length > 5000, `${trace.slices.length} slices`);
  t.match(trace.instants, [{ name: 'the trace is full' }]);
  t.equal(alarms.length, 1);
  t.match(alarms[0].message, /^the trace .*trace\.json"? has reached 1 MiB and ends here; the run goes on$/);
  t.equal(file.failed, false);
  t.end();
});

t.test(
  'a trace that is over makes room, and so do an old empty file and what a killed process left',
  async (t) => {
    const base = t.testdir({ empty: '' });
    const over = join(base, 'over');
    t.throws(() => begin(t, join(base, 'empty')), { code: 'OUTPUT', message: /may have just begun/ });
    utimesSync(join(base, 'empty'), 0, 0);
    begin(t, over).file.close();
    const killed = join(base, 'killed');
    const dead = begin(t, killed);
    dead.file.write();
    const other = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(killed, dead.text().replace(`"writer":${process.pid}`, `"writer":${other}`));
    for (const path of [over, join(base, 'empty'), killed]) {
      const { file, text, beginMs } = begin(t, path);
      file.complete(track, 'of the second', beginMs, beginMs);
      file.close();
      t.match(checkTrace(text()).slices, [{ name: 'of the second' }], path);
    }
    t.same(readdirSync(base).sort(), ['empty', 'killed', 'over'], 'nothing else is left');
  },
);

t.test('what is no trace stays, and so does one that a process still writes', (t) => {
  const base = t.testdir({ recipe: '{"model":"dense(10)"}', list: '[\n{"a":1}\n]\n' });
  symlinkSync(join(base, 'recipe'), join(base, 'link'));
  symlinkSync(join(base, 'nothing'), join(base, 'dangling'));
  for (const name of ['recipe', 'list', 'link', 'dangling']) {
    const open = [checkTracePlace, (path: string) => new TraceFile(path, () => {})];
    const message = /^cannot write the trace ".*" \((there is a file|it is a link).*\); choose another place/;
    for (const action of open.slice(name === 'dangling' ? 1 : 0)) {
      t.throws(() => action(join(base, name)), { code: 'OUTPUT', message }, name);
    }
  }
  t.equal(readFileSync(join(base, 'recipe'), 'utf8'), '{"model":"dense(10)"}');
  const path = join(base, 'trace');
  const one = begin(t, path);
  one.file.write();
  t.throws(() => begin(t, path), { code: 'OUTPUT', message: /\(another process may still write its trace/ });
  one.file.complete(track, 'of the first', one.beginMs, one.beginMs);
  one.file.close();
  t.match(checkTrace(one.text()).slices, [{ name: 'of the first' }]);
  t.same(readdirSync(base).sort(), ['dangling', 'link', 'list', 'recipe', 'trace'], 'nothing else is left');
  t.end();
});

t.test('many processes that want one file at the same moment: one of them has it', async (t) => {
  const path = join(t.testdir(), 'trace');
  begin(t, path).file.close();
  const script = `import { TraceFile } from ${JSON.stringify(traceModule)};
    try {
      const file = new TraceFile(${JSON.stringify(path)}, () => {});
      file.process(1, 'a run');
      file.write();
      console.log('has it');
      setInterval(() => {}, 1000);
    } catch (error) { console.log(error.message); }`;
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script]),
  );
  const said = await Promise.all(
    children.map(
      (child) => new Promise((resolve) => child.stdout.once('data', (text) => resolve(`${text}`))),
    ),
  );
  for (const child of children) child.kill();
  t.equal(said.filter((text) => text === 'has it\n').length, 1, said.join(''));
  checkTrace(mended(readFileSync(path, 'utf8')));
});

t.test('a link is followed, a device is written to, and a pipe is not waited for', (t) => {
  const base = t.testdir({ there: '' });
  utimesSync(join(base, 'there'), 0, 0);
  symlinkSync(join(base, 'there'), join(base, 'link'));
  const { file } = begin(t, join(base, 'link'));
  file.close();
  checkTrace(readFileSync(join(base, 'there'), 'utf8'));
  if (hasFile(t, '/dev/null')) begin(t, '/dev/null').file.close();
  t.ok(existsSync('/dev/null'));
  const pipe = join(base, 'pipe');
  if (spawnSync('mkfifo', [pipe]).status === 0) {
    for (const action of [checkTracePlace, () => begin(t, pipe)]) {
      t.throws(() => action(pipe), { code: 'OUTPUT', message: /\(it is not a regular file\)/ });
    }
  }
  t.end();
});

t.test('where it cannot be written it says so at once, or once', (t) => {
  const base = t.testdir();
  mkdirSync(join(base, 'folder'));
  writeFileSync(join(base, 'file'), '');
  for (const path of [join(base, 'folder'), join(base, 'file', 'trace')]) {
    t.throws(() => new TraceFile(path, () => {}), { code: 'OUTPUT', message: /^cannot write the trace / });
  }
  if (hasFile(t, '/dev/full')) {
    const { file, alarms, beginMs } = begin(t, '/dev/full');
    for (let i = 0; i < 3; i++) {
      file.instant(track, 'moment', beginMs);
      file.write();
    }
    file.close();
    t.equal(file.failed, true);
    t.equal(alarms.length, 1);
    t.match(alarms[0].message, /^cannot write the trace .*\/dev\/full.* the run goes on without this trace$/);
  }
  t.end();
});
