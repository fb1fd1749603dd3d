/** The update of parameters and running statistics: the fast builds against the slow twin. */
import fc from 'fast-check';
import t from 'tap';
import { holdEqual, kernelBuilds, newMemory, seed } from '../../helpers/kernels.ts';

t.comment(`fast-check seed ${seed}`);
const builds = kernelBuilds(t);

const counts = fc.nat(30).map((panels) => 16 * panels);

t.test('sgd: every build gives the twin’s bits and verdict, with and without momentum and decay', (t) => {
  const cases = fc.record({
    count: counts,
    rate: fc.constantFrom(0, 0.1, 0.05, 1e-46, 3e38),
    // 1e-46 is 0 as binary32: then there is no velocity.
    momentum: fc.constantFrom(0, 1e-46, 0.9, 1e-45, 0.999),
    decay: fc.constantFrom(0, 1e-46, 1e-4, 0.5),
    nesterov: fc.constantFrom(0, 1),
  });
  const verdicts = holdEqual(
    t,
    builds,
    cases,
    ({ count, rate, momentum, decay, nesterov }, area) => {
      const [w, g, v, newW, newV] = [0, 1, 2, 3, 4].map(() => area.take(count));
      const rule = area.put([rate, momentum, decay, nesterov]);
      const checksum = area.takeChecksum();
      return (kernels) => kernels.sgd(w, g, v, newW, newV, count, rule, 160, checksum);
    },
    600,
  );
  t.same([...verdicts].toSorted(), [0, 1], 'both verdicts occurred');
  t.end();
});

t.test('movingAverage: every build gives the twin’s bits and verdict', (t) => {
  const cases = fc.record({
    count: counts,
    momentum: fc.constantFrom(0, 0.9, 0.99, 1, 1 / 3),
    divisor: fc.constantFrom(1, 3, 127, 65_536),
  });
  holdEqual(t, builds, cases, ({ count, momentum, divisor }, area) => {
    const [old, value, out] = [0, 1, 2].map(() => area.take(count));
    const checksum = area.takeChecksum();
    return (kernels) => kernels.movingAverage(old, value, out, count, momentum, divisor, 2 ** 30, checksum);
  });
  t.end();
});

t.test('nonFinite: every build gives the twin’s verdict for any count, and writes nothing', (t) => {
  holdEqual(t, builds, fc.record({ count: fc.nat(45), skip: fc.nat(8) }), ({ count, skip }, area) => {
    const x = area.take(skip * 16 + count) + 64 * skip;
    return (kernels) => kernels.nonFinite(x, count);
  });
  t.end();
});

t.test('one value that is not finite is noticed wherever it is, the largest finite ones are not', (t) => {
  const largest = 3.4028234663852886e38;
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    const kernels = instantiate(memory);
    floats[12_288 / 4] = -1;
    const verdicts = { found: 0, missed: 0, invented: 0 };
    const judge = (isBad: boolean) => {
      // An old value of 0 and the rule of rate −1 and nothing else: new w = w + g, read through three kernels.
      for (const verdict of [
        kernels.nonFinite(1024, 19),
        kernels.movingAverage(4096, 1024, 8192, 32, 0, 1, 0, 16_384),
        kernels.sgd(4096, 1024, 4096, 8192, 8192, 32, 12_288, 0, 16_384),
      ]) {
        if (verdict === (isBad ? 1 : 0)) verdicts.found++;
        else verdicts[isBad ? 'missed' : 'invented']++;
      }
    };
    for (let i = 0; i < 19; i++) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        floats.fill(i % 2 === 0 ? largest : -largest, 256, 288);
        judge(false);
        floats[256 + i] = bad;
        judge(true);
      }
    }
    t.same(verdicts, { found: 19 * 3 * 2 * 3, missed: 0, invented: 0 }, name);
  }
  t.end();
});

t.test('without momentum no velocity is read or written', (t) => {
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    floats.fill(Number.NaN, 64, 80); // the velocity at 256
    floats.fill(5, 128, 144); // the new velocity at 512
    floats[160] = 0.1; // the rule at 640
    t.equal(instantiate(memory).sgd(64, 128, 256, 448, 512, 16, 640, 0, 704), 0, name);
    t.same([...floats.slice(128, 144)], Array(16).fill(5), name);
  }
  t.end();
});

t.test('a velocity that overflows is noticed, whatever the rate', (t) => {
  for (const { name, instantiate } of builds) {
    const memory = newMemory(1);
    const floats = new Float32Array(memory.buffer);
    const { sgd } = instantiate(memory);
    const [w, g, v, newW, newV, rule, sum] = [64, 256, 512, 768, 1024, 1280, 1344];
    for (let i = 0; i < 16; i++) {
      floats.fill(0);
      floats.set([i % 2 === 0 ? 2 ** -100 : 0, 0.5, 0, 0], rule / 4);
      floats[g / 4 + i] = 3e38;
      t.equal(sgd(w, g, v, newW, newV, 16, rule, 0, sum), 0, `${name}: finite`);
      // 0.5 · 3e38 + 3e38 is infinite; so is the new weight, or it is NaN where the rate is 0.
      floats[v / 4 + i] = 3e38;
      t.equal(sgd(w, g, v, newW, newV, 16, rule, 0, sum), 1, `${name}: infinite in column ${i}`);
    }
  }
  t.end();
});
