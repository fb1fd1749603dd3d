import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { prepareRun } from '../../coordinator/prepare.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { splitViews } from '../../shared/load-data.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import { chunkBytes } from '../../shared/wire/limits.ts';
import type { DataSink } from '../../worker/data-intake.ts';
import { bringData } from '../../worker/worker-data.ts';
import { WorkerMemory } from '../../worker/worker-memory.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';
import { label, syntheticDataset } from '../helpers/train.ts';

const kernels = loadKernels('wasm');
/** More than a chunk, so that pieces meet within chunks. */
const source = syntheticDataset(3, 1500, 600);
const fields = { model: 'dense(10)', batchSize: 50, epochs: 1 };
const run = await prepareRun({
  draft: draftRecipe(fields, label),
  source,
  kernels,
  threads: 1,
  initial: null,
  label,
});
const pieces = [run.plan.train, run.plan.test].flatMap((split) => {
  const { images, labels } = splitViews(split, run.memory);
  return [images, labels];
});
const whole = Buffer.concat(pieces);
const chunks = Array.from({ length: Math.ceil(whole.length / chunkBytes) }, (_, i) =>
  whole.subarray(i * chunkBytes, (i + 1) * chunkBytes),
);

const newMemory = () =>
  new WorkerMemory({ recipe: run.recipe, samples: source.samples, kernels, threads: 1 });

const dataIn = (memory: WorkerMemory): Buffer =>
  Buffer.concat(
    [memory.training.plan.train, memory.training.plan.test].flatMap((split) => {
      const { images, labels } = splitViews(split, memory.memory);
      return [images, labels];
    }),
  );

/** A coordinator that sends chunks. */
function sender(send: readonly Uint8Array[] = chunks) {
  const calls: number[] = [];
  const fetch = async (sink: DataSink): Promise<void> => {
    calls.push(send.length);
    send.forEach((bytes, panel) => {
      sink.chunk(panel, bytes);
    });
  };
  return { calls, fetch };
}

const noWarning = (t: Test) => (line: string) => t.fail(line);

t.test('data comes from the coordinator once, and from the cache afterwards', async (t) => {
  t.ok(chunks.length > 1, 'several chunks');
  const cache = join(t.testdir(), 'not', 'there', 'yet');
  const { calls, fetch } = sender();
  const first = newMemory();
  t.equal(await bringData(first, { data: null, cache }, fetch, noWarning(t)), 'kept');
  t.ok(dataIn(first).equals(whole));
  const second = newMemory();
  t.equal(await bringData(second, { data: null, cache }, fetch, noWarning(t)), 'cached');
  t.ok(dataIn(second).equals(whole));
  t.same(calls, [chunks.length]);
  t.same(readdirSync(cache), [run.recipe.dataset], 'nothing is left beside it');
});

t.test('a cache whose files were changed is not believed', async (t) => {
  const cache = t.testdir();
  const { calls, fetch } = sender();
  await bringData(newMemory(), { data: null, cache }, fetch, noWarning(t));
  const path = join(cache, run.recipe.dataset, 'train-labels-idx1-ubyte');
  writeFileSync(path, Buffer.alloc(1508, 1));
  const memory = newMemory();
  t.equal(await bringData(memory, { data: null, cache }, fetch, noWarning(t)), 'kept');
  t.ok(dataIn(memory).equals(whole));
  t.equal(calls.length, 2);
  t.equal(
    await bringData(newMemory(), { data: null, cache }, fetch, noWarning(t)),
    'cached',
    'it was mended',
  );
});

t.test('a copy of its own is used if its content is the same, and passed over if not', async (t) => {
  const folder = t.testdir();
  const other = writeTinyData(join(folder, 'tiny'));
  const { calls, fetch } = sender();
  t.equal(await bringData(newMemory(), { data: other, cache: null }, fetch, () => {}), 'fetched');
  t.equal(calls.length, 1);
  const cache = join(folder, 'cache');
  await bringData(newMemory(), { data: null, cache }, fetch, noWarning(t));
  const own = join(cache, run.recipe.dataset);
  t.equal(await bringData(newMemory(), { data: own, cache: null }, fetch, noWarning(t)), 'own');
  t.equal(calls.length, 2);
});

t.test('data that the user gave and that is not used is named, with what was used instead', async (t) => {
  const cache = t.testdir();
  const { fetch } = sender();
  const bring = async (data: string, cached: string | null) => {
    const warnings: string[] = [];
    const from = await bringData(newMemory(), { data, cache: cached }, fetch, (line) => warnings.push(line));
    t.equal(warnings.length, 1);
    return { from, warning: warnings[0] };
  };
  const small = writeTinyData(join(t.testdirName, 'small'));
  t.match(await bring(small, null), {
    from: 'fetched',
    warning: /^the data ".*small" is not used: it has 60 \+ 20 samples, the recipe's 1500 \+ 600 \(SHA-256 /,
  });
  await bringData(newMemory(), { data: null, cache }, fetch, noWarning(t));
  const other = join(t.testdirName, 'other');
  cpSync(join(cache, run.recipe.dataset), other, { recursive: true });
  const path = join(other, 'train-labels-idx1-ubyte');
  const labels = readFileSync(path);
  labels[8] = (labels[8] + 1) % 10;
  writeFileSync(path, labels);
  t.match(await bring(other, cache), {
    from: 'cached',
    warning: new RegExp(
      `^the data ".*other" is not used: it has SHA-256 [0-9a-f]{64}, the recipe's ${run.recipe.dataset}; ` +
        'it came from what an earlier run left here instead$',
    ),
  });
  rmSync(path);
  t.match(await bring(other, cache), {
    warning: /is not used: ".*other": no file of labels for the train split/,
  });
});

t.test('data that is not the recipe’s is refused, and not kept', async (t) => {
  const cache = t.testdir();
  const wrong = chunks.map((chunk) => Buffer.from(chunk));
  wrong[1][5] ^= 1;
  await t.rejects(bringData(newMemory(), { data: null, cache }, sender(wrong).fetch, noWarning(t)), {
    code: 'DATA',
    message: /the coordinator sent data with SHA-256 [0-9a-f]{64}, its recipe says [0-9a-f]{64}/,
  });
  t.same(readdirSync(cache), []);
});

t.test('chunks that are missing, too long or too many are refused', async (t) => {
  const orders: Record<string, Uint8Array[]> = {
    'chunk 0 of the data in 7 bytes': [whole.subarray(0, 7)],
    'chunk 1 of the data': [chunks[0], Buffer.concat([chunks[1], Buffer.alloc(1)])],
    [`chunk ${chunks.length} of the data`]: [...chunks, Buffer.alloc(1)],
  };
  for (const [message, send] of Object.entries(orders)) {
    await t.rejects(
      bringData(newMemory(), { data: null, cache: null }, sender(send).fetch, noWarning(t)),
      { code: 'DATA', message: new RegExp(message) },
      message,
    );
  }
});

t.test('a worker that cannot keep the data says so and works on', async (t) => {
  const folder = t.testdir({ file: 'not a folder' });
  const warnings: string[] = [];
  const { fetch } = sender();
  const cache = join(folder, 'file');
  const from = await bringData(newMemory(), { data: null, cache }, fetch, (line) => warnings.push(line));
  t.equal(from, 'fetched');
  t.match(warnings, [/^cannot keep the data in /]);
});

t.test('two workers that keep the same data at once do not disturb each other', async (t) => {
  const cache = t.testdir();
  mkdirSync(cache, { recursive: true });
  const { fetch } = sender();
  const both = [newMemory(), newMemory()].map((memory) =>
    bringData(memory, { data: null, cache }, fetch, noWarning(t)),
  );
  t.same(await Promise.all(both), ['kept', 'kept']);
  t.equal(await bringData(newMemory(), { data: null, cache }, fetch, noWarning(t)), 'cached');
});
