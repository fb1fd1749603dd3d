/** Kernels over a memory of their own give the bits of the twin. */
import t from 'tap';
import { stackBytes } from '../../../shared/kernels/kernels.ts';
import { loadKernels, runnableKernels } from '../../../shared/kernels/load.ts';
import { newScratch } from '../../../shared/kernels/scratch.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import { newMemory, seed } from '../../helpers/kernels.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

t.comment(`seed ${seed}`);

t.test('a scratch of every set merges as the twin does, and scratches do not share their memory', (t) => {
  const [slots, out, bytes] = [64, 1024, 4096 + stackBytes];
  const values = drawFloats(96, randomWords(seed), 'mild');
  const run = (buffer: ArrayBufferLike, kernels: ReturnType<typeof newScratch>['kernels']): number[] => {
    new Float32Array(buffer).set(values, slots / 4);
    kernels.mergeSums(slots, 128, 0, 3, 0, 32, out, 4096);
    kernels.mergeMoments(slots, 128, 16, 10, 4, 0, 3, 0, 16, out + 128, out + 192, 4096);
    return [...new Uint32Array(buffer, out, 64)];
  };
  const memory = newMemory(4);
  const expected = run(memory.buffer, twinKernels(memory));
  t.ok(new Set(expected).size > 32, 'something was merged');
  for (const set of runnableKernels()) {
    const loaded = loadKernels(set);
    const scratch = newScratch(loaded, bytes);
    const other = newScratch(loaded, bytes);
    t.ok(scratch.buffer.byteLength >= bytes, `${set}: as large as was asked for`);
    t.same(run(scratch.buffer, scratch.kernels), expected, `${set}: the same bits`);
    t.ok(
      new Uint8Array(other.buffer).every((byte) => byte === 0),
      `${set}: the other one is as it was`,
    );
  }
  t.end();
});
