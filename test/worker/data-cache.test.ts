/** What is kept of data that came from coordinators, and what is cleared away. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openDataset } from '../../shared/data/dataset.ts';
import { keepData, keptData } from '../../worker/data-cache.ts';
import { tinyPixels } from '../helpers/tiny-data.ts';

const split = (samples: number) => {
  const { pixels, digits } = tinyPixels(samples);
  return { images: pixels, labels: digits };
};
const splits = { train: split(6), test: split(3) };
const dataset = 'a'.repeat(64);
const day = 24 * 3_600_000;
const nowMs = Date.parse('2026-11-23T12:00:00Z');

/** Makes a folder with a file in it, last changed so long ago. */
function leave(cache: string, name: string, agoMs: number): void {
  const folder = join(cache, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'train-images-idx3-ubyte'), 'half of it');
  const at = new Date(nowMs - agoMs);
  utimesSync(folder, at, at);
}

t.test('a data set that is kept is a folder with four IDX files, whole', async (t) => {
  const cache = join(t.testdir(), 'not', 'there', 'yet');
  t.equal(keptData(cache, dataset), null);
  keepData(cache, dataset, splits, nowMs);
  const folder = keptData(cache, dataset);
  t.equal(folder, join(cache, dataset));
  const source = openDataset(folder ?? '');
  t.same(source.samples, { train: 6, test: 3 });
  const [images, labels] = [new Uint8Array(6 * 784), new Uint8Array(6)];
  await source.load('train', images, labels);
  t.same({ images, labels }, splits.train);
  t.same(readdirSync(cache), [dataset]);
});

t.test('it takes the place of a folder that was something else', (t) => {
  const cache = t.testdir();
  leave(cache, dataset, 0);
  writeFileSync(join(cache, dataset, 'more'), '');
  keepData(cache, dataset, splits, nowMs);
  t.equal(readdirSync(join(cache, dataset)).length, 4);
  t.end();
});

t.test('what was left half-written more than a day ago is cleared away, and nothing else', (t) => {
  const cache = t.testdir();
  const other = 'b'.repeat(64);
  const stale = [`.${dataset}.00112233.tmp`, `.${other}.00112233.tmp`];
  for (const name of stale) leave(cache, name, day + 1000);
  const kept = [`.${other}.44556677.tmp`, other, 'mine', `.${other}.tmp`, `.${other}.0011223.tmp`];
  leave(cache, kept[0], day - 1000);
  for (const name of kept.slice(1)) leave(cache, name, 9 * day);
  keepData(cache, dataset, splits, nowMs);
  t.same(readdirSync(cache).toSorted(), [...kept, dataset].toSorted());
  t.end();
});

t.test('where it cannot be kept nothing is left behind', (t) => {
  const folder = t.testdir({ file: 'not a folder' });
  t.throws(() => keepData(join(folder, 'file'), dataset, splits, nowMs), { code: /^ENOTDIR|EEXIST$/ });
  t.same(readdirSync(folder), ['file']);
  // A file of that name is cleared away like a folder.
  writeFileSync(join(folder, dataset), 'a file');
  keepData(folder, dataset, splits, nowMs);
  t.ok(existsSync(join(folder, dataset, 't10k-labels-idx1-ubyte')));
  t.end();
});
