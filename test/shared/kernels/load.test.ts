/** Which set of kernels is taken, and what is said when one that was asked for cannot run. */
import t from 'tap';
import { LockstepError } from '../../../shared/errors.ts';
import { instantiateKernels, kernelChoices, loadKernels } from '../../../shared/kernels/load.ts';
import { computeKnownAnswer } from '../../../shared/kernels/probe.ts';
import { twinKernels } from '../../../shared/kernels/twin/twin.ts';
import { kernelBuilds, newMemory } from '../../helpers/kernels.ts';

const hasRelaxed = kernelBuilds(t).some(({ name }) => name === 'relaxed');

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

t.test('native kernels are refused in one line with exit code 2', (t) => {
  const error = errorOf(() => loadKernels('native'));
  t.ok(error instanceof LockstepError);
  t.match(error, { exitCode: 2, code: 'USAGE' });
  t.match(error, { message: /^--kernels: .*native.*use auto, wasm or exact$/ });
  t.end();
});

t.test('auto takes the relaxed build where it can run and the exact one where not', (t) => {
  t.equal(loadKernels('auto').set, hasRelaxed ? 'wasm' : 'exact');
  t.ok(loadKernels('auto').reason.length > 0);
  t.end();
});

t.test('exact is always there', (t) => {
  t.equal(loadKernels('exact').set, 'exact');
  t.end();
});

t.test('wasm is the relaxed build, or an error that says what to use', (t) => {
  const error = errorOf(() => t.equal(loadKernels('wasm').set, 'wasm'));
  if (hasRelaxed) t.equal(error, undefined);
  else {
    t.ok(error instanceof LockstepError && error.exitCode === 2);
    t.match(error, { message: /use auto or exact/ });
  }
  t.end();
});

t.test('whatever was loaded gives the twin’s answer, and again in a second instance', (t) => {
  const twinMemory = newMemory(2);
  const expected = computeKnownAnswer(twinKernels(twinMemory), twinMemory);
  for (const choice of kernelChoices) {
    if (choice === 'native' || (choice === 'wasm' && !hasRelaxed)) continue;
    const loaded = loadKernels(choice);
    for (const _ of [1, 2]) {
      const memory = newMemory(2);
      t.equal(computeKnownAnswer(instantiateKernels(loaded, memory), memory), expected, choice);
    }
  }
  t.end();
});
