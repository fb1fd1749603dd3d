/** The checksum of what an update writes: what it notices, that it does not depend on slices, and that all builds take it. */
import t from 'tap';
import { checksumOf, statePosition } from '../../../shared/kernels/twin/checksum.ts';
import { kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

t.comment(`seed ${seed}`);
const builds = kernelBuilds(t);
const random = randomWords(seed);
const length = 256;
const contents = {
  weights: new Uint32Array(drawFloats(length, random, 'mild').buffer),
  'words of every kind': Uint32Array.from({ length }, random),
  zeros: new Uint32Array(length),
};

/** The same in another way: (a + 2³²) · (b + 1) − 2³² for each pair. */
function judge(words: Uint32Array, position: number): bigint {
  const golden = 2654435769n;
  let sum = 0n;
  for (let i = 0; i < words.length; i += 2) {
    const [a, b] = [i, i + 1].map((at) => (BigInt(words[at]) + golden * BigInt(position + at)) % 4294967296n);
    sum += (a + 4294967296n) * (b + 1n) - 4294967296n;
  }
  return sum % 18446744073709551616n;
}

/** A copy with some words replaced. */
function replaced(words: Uint32Array, changes: Readonly<Record<number, number>>): Uint32Array {
  const copy = words.slice();
  for (const [i, word] of Object.entries(changes)) copy[Number(i)] = word;
  return copy;
}

for (const [name, words] of Object.entries(contents)) {
  const whole = checksumOf(words, 0);

  t.test(`${name}: every change of a single word is noticed`, (t) => {
    let missed = 0;
    for (let i = 0; i < length; i++) {
      for (let bit = 0; bit < 32; bit++) {
        if (checksumOf(replaced(words, { [i]: words[i] ^ (1 << bit) }), 0) === whole) missed++;
      }
    }
    t.equal(missed, 0, `all ${32 * length} single bits`);
    for (let i = 0; i < 20_000; i++) {
      const at = random() % length;
      const word = random();
      if (word !== words[at] && checksumOf(replaced(words, { [at]: word }), 0) === whole) missed++;
    }
    t.equal(missed, 0, '20,000 other words');
    t.end();
  });

  t.test(`${name}: it is the sum of its slices, wherever they are cut between pairs`, (t) => {
    t.equal(whole, judge(words, 0));
    for (const position of [16, 2 ** 20, 2 ** 31 - 16, 2 ** 32 - 256]) {
      t.equal(checksumOf(words, position), judge(words, position), `at ${position}`);
    }
    for (let cut = 0; cut <= length; cut += 2) {
      const parts = checksumOf(words.subarray(0, cut), 0) + checksumOf(words.subarray(cut), cut);
      if (BigInt.asUintN(64, parts) !== whole) t.fail(`cut at ${cut}`);
    }
    t.end();
  });
}

t.test('two values that changed places are noticed, and so are values that moved', (t) => {
  const { weights } = contents;
  const whole = checksumOf(weights, 0);
  let [swaps, missed] = [0, 0];
  for (let i = 0; i < length; i++) {
    for (let j = i + 1; j < length; j++) {
      if (weights[i] === weights[j]) continue;
      swaps++;
      if (checksumOf(replaced(weights, { [i]: weights[j], [j]: weights[i] }), 0) === whole) missed++;
    }
  }
  t.ok(swaps > 30_000 && missed === 0, `${swaps} swaps, ${missed} of them missed`);
  for (let by = 1; by < length; by++) {
    const moved = Uint32Array.from(weights, (_, i) => weights[(i + by) % length]);
    if (checksumOf(moved, 0) === whole) t.fail(`moved by ${by}`);
    if (checksumOf(weights, by * 16) === whole) t.fail(`${16 * by} places further`);
  }
  t.not(checksumOf(weights, statePosition), whole, 'state in the place of parameters');
  t.end();
});

t.test('a unit more here and one less there is noticed', (t) => {
  const { weights } = contents;
  const whole = checksumOf(weights, 0);
  let missed = 0;
  for (let i = 0; i < 50_000; i++) {
    const places = Array.from({ length: 2 + (random() % 6) }, () => random() % length);
    if (new Set(places).size < places.length) continue;
    const changed = replaced(
      weights,
      Object.fromEntries(places.map((at, k) => [at, weights[at] + (k % 2 === 0 ? 1 : -1)])),
    );
    if (checksumOf(changed, 0) === whole) missed++;
  }
  t.equal(missed, 0);
  t.end();
});

t.test('every build adds up parameters, state and averages, beside what is there', (t) => {
  const [w, g, v, newW, newV, rule, sum] = [4096, 8192, 12_288, 16_384, 20_480, 24_576, 24_640];
  const count = 1024 - 64;
  const position = 48;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const kernels = instantiate(memory);
    const floats = new Float32Array(memory.buffer);
    const sums = new BigUint64Array(memory.buffer);
    const wordsAt = (offset: number) => new Uint32Array(memory.buffer, offset, count).slice();
    const taken = (call: () => unknown): bigint => {
      floats.set(drawFloats(3 * 1024, randomWords(seed), 'mild'), w / 4);
      sums[sum / 8] = 2n ** 64n - 5n;
      t.notOk(call());
      return BigInt.asUintN(64, sums[sum / 8] + 5n);
    };
    const total = (...parts: readonly bigint[]) =>
      BigInt.asUintN(
        64,
        parts.reduce((a, b) => a + b),
      );
    for (const momentum of [0, 0.5]) {
      floats.set([0.1, momentum, 0, 0], rule / 4);
      const got = taken(() => kernels.sgd(w, g, v, newW, newV, count, rule, position, sum));
      const state = momentum === 0 ? 0n : judge(wordsAt(newV), position + 2 ** 31);
      t.equal(got, total(judge(wordsAt(newW), position), state), `${name}: momentum ${momentum}`);
    }
    const got = taken(() => kernels.movingAverage(w, g, newW, count, 0.9, 3, position, sum));
    t.equal(got, judge(wordsAt(newW), position), `${name}: a moving average`);
    const again = taken(() => kernels.checksum(newW, count, position, sum));
    t.equal(again, got, `${name}: what was written, read again`);
  }
  t.end();
});
