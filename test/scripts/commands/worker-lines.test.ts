import t from 'tap';
import type { WorkerNow } from '../../../coordinator/live-run.ts';
import { WorkerLines } from '../../../scripts/commands/worker-lines.ts';
import { columnsOf } from '../../../scripts/text-width.ts';

const mara: WorkerNow = {
  ...{ id: 'm', name: 'mara', address: '10.0.0.7:1', rank: 0, threads: 2, kernels: 'wasm', state: 'working' },
  ...{ share: { lo: 0, hi: 4 }, shards: 0, seconds: 1, delayMs: 1, silentMs: 10 },
};
const otto: WorkerNow = { ...mara, id: 'o', name: 'otto', rank: 1, threads: 16, share: { lo: 4, hi: 5 } };
const gone: WorkerNow = {
  ...mara,
  id: 'g',
  name: 'anna',
  address: null,
  rank: null,
  share: null,
  state: 'gone',
};
const here: WorkerNow = { ...mara, id: 'h', name: 'this process', address: 'this process' };

const plain = (_: unknown, text: string) => text;
const marked = (style: unknown, text: string) => `${String(style)}: ${text}`;
const wide = { columns: 77, most: 20 };

t.test('a line for each: who, what, how fast, how', (t) => {
  const view = new WorkerLines();
  view.lines([mara, otto], 16, 0, wide, plain);
  const later = [{ ...mara, shards: 4000 }, { ...otto, shards: 100 }, gone];
  t.same(view.lines(later, 16, 1000, wide, plain), [
    '  rank  name  threads  shards  samples/s  state',
    '     0  mara        2     0–3     64,000  working',
    '     1  otto       16       4      1,600  working',
    '     ·  anna        2       ·          ·  gone',
  ]);
  t.end();
});

t.test('at 40 columns, with names of any length and script', (t) => {
  const names = ['a-name-that-is-longer-than-any-line', '工人工人工人工人工人工人工人', 'x'];
  const workers = names.map((name, i) => ({ ...mara, id: name, name, rank: i, threads: 1024 }));
  const late = { ...mara, id: 'l', name: 'late', state: 'working', silentMs: 5_900 } as const;
  for (const columns of [37, 57, 77]) {
    const lines = new WorkerLines().lines([...workers, late], 16, 0, { columns, most: 20 }, plain);
    t.equal(lines.length, 5);
    for (const line of lines) t.ok(columnsOf(line) <= columns, `${columns}: ${line}`);
    t.match(lines[1], /^ *0 +a-na.*…/);
    t.match(lines[4], columns === 37 ? /silent$/ : /silent 5 s$/, 'the state is in full');
  }
  t.end();
});

t.test('late, behind, silent and gone ones are marked', (t) => {
  const states = ['joining', 'working', 'late', 'behind', 'gone'] as const;
  const workers = states.map((state) => ({ ...mara, id: state, state }));
  const silent = { ...mara, id: 's', silentMs: 4_100 };
  const lines = new WorkerLines().lines([...workers, silent], 16, 0, wide, marked);
  t.same(
    lines.map((line) => line.split(': ')[0].trim().split(' ')[0]),
    ['dim', 'dim', '0', 'yellow', 'yellow', 'red', 'yellow'],
  );
  t.end();
});

t.test('of many some have a line, those that are not as they should be before others', (t) => {
  const many = Array.from(
    { length: 20 },
    (_, i): WorkerNow => ({
      ...mara,
      id: String(i),
      name: `w${i}`,
      rank: i,
      state: i === 17 ? 'late' : 'working',
    }),
  );
  const lines = new WorkerLines().lines([...many, gone], 16, 0, wide, plain);
  t.equal(lines.length, 10, 'the title, eight workers, and how many more');
  t.match(lines[8], /w17 .*late$/);
  t.match(lines[1], /w0 /, 'in their order');
  t.equal(lines[9], 'and 13 more workers');
  for (const most of [0, 1, 2, 3, 5]) {
    const few = new WorkerLines().lines(many, 16, 0, { columns: 77, most }, plain);
    t.ok(few.length <= most, `${few.length} lines of at most ${most}`);
  }
  t.match(new WorkerLines().lines(many, 16, 0, { columns: 77, most: 4 }, plain)[1], /^ *0 |w17/);
  t.same(
    new WorkerLines().lines([mara, otto], 16, 0, { columns: 77, most: 3 }, plain).length,
    3,
    'all of them fit',
  );
  t.end();
});

t.test('who is gone is shown for a while', (t) => {
  const view = new WorkerLines();
  const shown = (nowMs: number, workers: readonly WorkerNow[]) =>
    view.lines(workers, 16, nowMs, wide, plain).filter((line) => line.includes('anna')).length;
  t.equal(shown(0, [mara, gone]), 1);
  t.equal(shown(29_900, [mara, gone]), 1);
  t.equal(shown(30_000, [mara, gone]), 0);
  t.equal(shown(40_000, [mara, { ...gone, state: 'working' }]), 1, 'it is back');
  t.equal(shown(50_000, [mara, gone]), 1, 'and gone again');
  t.end();
});

t.test('this process alone needs no line', (t) => {
  const lines = (workers: readonly WorkerNow[]) => new WorkerLines().lines(workers, 16, 0, wide, plain);
  t.same(lines([]), []);
  t.same(lines([here]), []);
  t.same(lines([{ ...here, address: null }]), []);
  t.equal(lines([here, mara]).length, 3);
  t.end();
});
