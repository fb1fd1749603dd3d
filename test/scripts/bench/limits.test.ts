/** Rates by a clock that only the work moves; of the machine's own limits, that they are numbers. */
import t from 'tap';
import { bestRate, measureMemory, raisePeaks } from '../../../scripts/bench/limits.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';

t.test('work is doubled until it takes long enough, and the best run counts', (t) => {
  let nowMs = 0;
  const asked: number[] = [];
  const rate = bestRate(
    (rounds) => {
      asked.push(rounds);
      // The seventh call is undisturbed, all others take twice the time.
      nowMs += asked.length === 7 ? rounds : 2 * rounds;
      return 5 * rounds;
    },
    0.01,
    () => nowMs,
  );
  t.same(asked, [1, 2, 4, 8, 8, 8, 8, 8, 8]);
  t.equal(rate, 5000);
  t.end();
});

t.test('memory moves', (t) => {
  const { copy } = measureMemory(2 ** 16);
  t.ok(copy > 0 && Number.isFinite(copy), `copied at ${copy} GB/s`);
  t.end();
});

t.test('a set of kernels has a peak, which only rises', (t) => {
  const kernels = loadKernels('auto');
  t.same(raisePeaks({ [kernels.set]: 1e9 }, [kernels]), { [kernels.set]: 1e9 });
  const peak = raisePeaks({}, [kernels])[kernels.set];
  t.ok(peak > 0 && Number.isFinite(peak), `${peak} GFLOP/s`);
  t.end();
});
