/** The native kernels that this processor can run, against the slow twin. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { loadNativeKernels } from '../../../../shared/kernels/native.ts';
import { newMemory, seed } from '../../../helpers/kernels.ts';
import { call, casesOf, findDifference, imageBytes, kernelNames, memoryBytes } from './cases.ts';

t.comment(`seed ${seed}`);
const native = loadNativeKernels();

if (typeof native === 'string') {
  t.comment(`NOT TESTED: native kernels. ${native}`);
  t.pass('no native kernels here');
} else {
  const sides = native.sets.map((set) => {
    const memory = newMemory(memoryBytes / 65_536);
    const words = new Uint32Array(memory.buffer, 0, imageBytes / 4);
    return { set, words, kernels: native.bind(set, memory) };
  });

  for (const kernel of kernelNames) {
    t.test(`${kernel}: ${native.sets.join(' and ')} give the twin’s bits`, (t) => {
      const count = 60;
      for (const example of casesOf(kernel, count, seed)) {
        for (const { set, words, kernels } of sides) {
          words.set(example.before);
          const result = call(kernels, kernel, example.values);
          const difference = findDifference(example, { words, result });
          if (difference !== null) t.fail(`${set}: ${difference}`);
        }
      }
      t.pass(`${count} cases`);
      t.end();
    });
  }

  t.test('peak counts the operations that it does', (t) => {
    for (const { set, kernels } of sides) {
      const once = kernels.peak(1, 64);
      t.ok(once > 0, set);
      t.equal(kernels.peak(1000, 64), 1000 * once, set);
    }
    t.end();
  });

  t.test('what is not a number, a set or a memory is refused', (t) => {
    const [set] = native.sets;
    const { relu } = native.bind(set, newMemory(1));
    t.throws(() => relu('64' as unknown as number, 64, 64, 1, 1), /a kernel takes numbers/);
    t.throws(() => native.bind('mmx' as 'avx2', newMemory(1)), /instruction set/);
    t.end();
  });

  t.test('a thread of its own has the kernels too, and ends', async (t) => {
    const url = new URL('../../../../shared/kernels/native.js', import.meta.url);
    const code = `const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.url).then(({ loadNativeKernels }) => {
        const { sets, bind } = loadNativeKernels();
        const memory = { buffer: new SharedArrayBuffer(65536) };
        new Float32Array(memory.buffer).fill(2, 16, 32);
        bind(sets[0], memory).multiplyAdd(64, 64, 64, 128, 16);
        parentPort.postMessage(new Float32Array(memory.buffer)[47]);
      });`;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(code, { eval: true, workerData: { url: url.href } });
      const got = once(worker, 'message');
      const ended = once(worker, 'exit');
      t.same(await got, [6]);
      t.same(await ended, [0]);
    }
  });
}
