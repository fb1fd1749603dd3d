/** Lists of sets of kernels. */
import t from 'tap';
import { defaultKernels, loadSets } from '../../../scripts/bench/kernel-sets.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';
import { refusal } from '../../helpers/refusal.ts';

const best = loadKernels('auto').set;

t.test('the best set comes first, and WebAssembly beside it', (t) => {
  const sets = defaultKernels().map(({ set }) => set);
  t.equal(sets[0], best);
  t.same(sets, [...new Set(sets)], 'each once');
  t.end();
});

t.test('a list gives each set once, in its order', (t) => {
  const sets = loadSets(['exact', 'auto', 'exact', best], '--kernels').map(({ set }) => set);
  t.same(sets, [...new Set(['exact', best])]);
  t.end();
});

t.test('what there is not is refused', (t) => {
  t.match(
    refusal(() => loadSets(['exakt'], '--kernels')),
    '--kernels: got "exakt", did you mean "exact"?',
  );
  t.match(
    refusal(() => loadSets([''], '--kernels')),
    /--kernels: got "", expected some of auto, native, /,
  );
  t.end();
});
