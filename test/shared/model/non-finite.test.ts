/** Where NaN or infinity was first: the lowest (place, shard) wins, whoever reports it and when. */
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import t from 'tap';
import { NonFinite } from '../../../shared/model/non-finite.ts';
import { newMemory } from '../../helpers/kernels.ts';

const seed = 20261129;
t.comment(`fast-check seed ${seed}`);

const memory = newMemory(1);
const word = new NonFinite(memory, 64);

const mostShards = 65_536;
const finding = fc.record({
  place: fc.nat(4000),
  shard: fc.option(fc.oneof(fc.nat(3), fc.nat(mostShards - 1))),
});

t.test('after clear there is nothing', (t) => {
  word.report(3, 3);
  t.ok(word.found());
  word.clear();
  t.notOk(word.found());
  t.equal(word.get(), null);
  t.end();
});

t.test('a finding comes back as it was reported; a total is no shard', (t) => {
  for (const finding of [
    { place: 0, shard: 0 },
    { place: 0, shard: null },
    { place: 17, shard: mostShards - 1 },
    { place: 4000, shard: null },
  ]) {
    word.clear();
    word.report(finding.place, finding.shard);
    t.same(word.get(), finding);
  }
  t.end();
});

t.test('the lowest place wins, in it the lowest shard, and a total comes after all shards', (t) => {
  const total = Number.POSITIVE_INFINITY;
  fc.assert(
    fc.property(fc.array(finding, { minLength: 1, maxLength: 10 }), (findings) => {
      word.clear();
      for (const { place, shard } of findings) word.report(place, shard);
      const [first] = findings.toSorted(
        (a, b) => a.place - b.place || (a.shard ?? total) - (b.shard ?? total) || 0,
      );
      const got = word.get();
      return word.found() && got?.place === first.place && got.shard === first.shard;
    }),
    { seed, numRuns: 500 },
  );
  t.pass('500 orders');
  t.end();
});

t.test('the words beside it are left alone', (t) => {
  const words = new Int32Array(memory.buffer).fill(-1);
  word.clear();
  word.report(1, 2);
  t.same([words[15], words[18]], [-1, -1]);
  t.not(words[16], -1);
  t.not(words[17], -1);
  t.end();
});

t.test('steps take turns, so that one does not hear of what the next one found', (t) => {
  word.clear();
  word.turnTo(6);
  t.notOk(word.found());
  word.turnTo(7);
  word.report(3, 1);
  t.ok(word.found());
  word.turnTo(6);
  t.notOk(word.found(), 'a thread that is still in step 6 goes on');
  t.equal(word.get(), null);
  word.turnTo(7);
  t.same(word.get(), { place: 3, shard: 1 });
  word.turnTo(0);
  t.end();
});

t.test('a report that another one overtakes between reading and writing is made again', (t) => {
  const original = Atomics.compareExchange;
  let overtaken = 0;
  word.clear();
  t.teardown(() => {
    Atomics.compareExchange = original;
  });
  Atomics.compareExchange = ((...values: Parameters<typeof original>) => {
    // Another thread notes something higher, just now.
    if (overtaken++ === 0) word.report(5, 5);
    return original(...values);
  }) as typeof original;
  word.report(2, 2);
  t.equal(overtaken, 3, 'both wrote, one of them twice');
  t.same(word.get(), { place: 2, shard: 2 });
  t.end();
});

t.test('threads that report at the same time agree on the lowest', { timeout: 30_000 }, async (t) => {
  const source = `
    const { workerData } = require('node:worker_threads');
    const start = new Int32Array(workerData.memory.buffer, 0, 2);
    import(workerData.module).then(({ NonFinite }) => {
      const word = new NonFinite(workerData.memory, 64);
      Atomics.add(start, 1, 1);
      Atomics.notify(start, 1);
      Atomics.wait(start, 0, 0);
      for (let i = 5000; i >= 0; i--) word.report(7 + (i % 5), 2 * i + workerData.rank);
    });`;
  const module = new URL('../../../shared/model/non-finite.js', import.meta.url).href;
  const start = new Int32Array(memory.buffer, 0, 2).fill(0);
  word.clear();
  const workers = [0, 1, 2].map(
    (rank) => new Worker(source, { eval: true, workerData: { memory, module, rank } }),
  );
  const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  // All are ready before the first reports.
  for (let ready = 0; ready < workers.length; ready = Atomics.load(start, 1)) {
    const waiting = Atomics.waitAsync(start, 1, ready);
    if (waiting.async) await waiting.value;
  }
  Atomics.store(start, 0, 1);
  Atomics.notify(start, 0);
  t.same(await Promise.all(ends), [0, 0, 0]);
  t.same(word.get(), { place: 7, shard: 0 });
});
