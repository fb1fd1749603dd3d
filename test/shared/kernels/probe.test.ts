/** The probe accepts every build that keeps the contract, and refuses those that nearly do. */
import t from 'tap';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { computeKnownAnswer, failedProbe } from '../../../shared/kernels/probe.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import { kernelBuilds, newMemory } from '../../helpers/kernels.ts';
import { unfusedKernels, withUnfusedDense } from '../../helpers/unfused.ts';

const builds = kernelBuilds(t);

t.test('the known answer holds for every build, whatever was in the memory', (t) => {
  const answers = builds.map(({ name, instantiate }, index) => {
    t.equal(failedProbe(instantiate), null, name);
    const memory = newMemory(3);
    new Uint8Array(memory.buffer).fill(index);
    return computeKnownAnswer(instantiate(memory), memory);
  });
  t.equal(new Set(answers).size, 1, answers[0]);
  t.end();
});

t.test('every build has the same functions', (t) => {
  const namesOf = (kernels: Kernels) =>
    Object.entries(kernels)
      .filter(([, value]) => typeof value === 'function') // a build exports its memory too
      .map(([name]) => name)
      // Tiles that a build exports so that they stay functions.
      .filter((name) => !/^(dense|sum)Tile\d+$/.test(name))
      .toSorted();
  const names = builds.map(({ instantiate }) => namesOf(instantiate(newMemory(1))));
  for (const [index, { name }] of builds.entries()) t.same(names[index], names[0], name);
  t.end();
});

t.test('an unfused multiply-add is refused, and said to be unfused', (t) => {
  t.match(failedProbe(unfusedKernels), /gave .*, fused it is/);
  t.end();
});

t.test('a multiply-add that is rounded to binary64 first is refused', (t) => {
  const refusal = failedProbe((memory) => {
    const floats = new Float32Array(memory.buffer);
    return {
      ...twinKernels(memory),
      multiplyAdd(a, b, c, out, count) {
        for (let i = 0; i < 4 * count; i += 4) {
          floats[(out + i) / 4] = floats[(a + i) / 4] * floats[(b + i) / 4] + floats[(c + i) / 4];
        }
      },
    };
  });
  t.match(refusal, /fused it is/);
  t.end();
});

t.test('an unfused product is refused by the known answer, though the multiply-add is right', (t) => {
  t.match(failedProbe(withUnfusedDense), /^known answers: got [0-9a-f]{64}, expected [0-9a-f]{64}$/);
  t.end();
});

t.test('peak tells what it did, and writes 64 bytes', (t) => {
  const out = 1024;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer).fill(Number.NaN);
    const { peak } = instantiate(memory);
    const done = [0, 1, 10, 1000].map((rounds) => peak(rounds, out));
    if (name === 'twin') t.same(done, [0, 0, 0, 0], 'the twin has no speed');
    else {
      t.ok(done[1] > 0 && done[1] % 2 === 0, `${name}: ${done[1]} operations a round`);
      t.same(done, [0, done[1], 10 * done[1], 1000 * done[1]], `${name}: in proportion to the rounds`);
    }
    const isWritten = (value: number, i: number) =>
      i >= out / 4 && i < out / 4 + 16 ? Number.isFinite(value) : Number.isNaN(value);
    t.ok(floats.every(isWritten), `${name}: 64 bytes, all of them finite`);
  }
  t.end();
});

/** What the known answer goes through. */
const chain = [
  'normal',
  'uniform',
  'dense',
  'moments',
  'mergeMoments',
  'inverseDeviation',
  'normalise',
  'sigmoid',
  'tanh',
  'affine',
  'softmaxCrossEntropy',
  'normaliseSums',
  'normaliseBackward',
  'denseWeightGradient',
  'sgd',
  'denseWeightUpdate',
  'transpose',
] as const satisfies (keyof Kernels)[];

for (const name of chain) {
  t.test(`${name} off by a unit in the last place is refused`, (t) => {
    let changed = 0;
    const refusal = failedProbe((memory) => {
      const words = new Uint32Array(memory.buffer);
      const kernels = twinKernels(memory);
      const original = kernels[name] as (...values: number[]) => number;
      const altered = (...values: number[]): number => {
        const before = words.slice();
        const result = original(...values);
        // All that it wrote: a single last bit may get lost in the rounding of what comes next.
        for (const [i, word] of before.entries()) {
          if (words[i] === word) continue;
          words[i] ^= 1;
          changed++;
        }
        return result;
      };
      return { ...kernels, [name]: altered };
    });
    t.ok(changed > 0, `${changed} words were changed`);
    t.match(refusal, /^known answers/);
    t.end();
  });
}
