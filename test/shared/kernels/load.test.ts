/** Which set of kernels is taken, and what is said when one that was asked for cannot run. */
import t from 'tap';
import { LockstepError } from '../../../shared/errors.ts';
import {
  instantiateKernels,
  kernelChoices,
  loadKernels,
  runnableKernels,
} from '../../../shared/kernels/load.ts';
import { loadNativeKernels } from '../../../shared/kernels/native.ts';
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

const native = loadNativeKernels();
if (typeof native === 'string') t.comment(`NOT TESTED: native kernels. ${native}`);

for (const choice of kernelChoices.filter((name) => name.startsWith('native'))) {
  t.test(`${choice}: the set that was asked for, or one line with exit code 2`, (t) => {
    const sets = typeof native === 'string' ? [] : native.sets.map((name) => `native:${name}` as const);
    const expected = choice === 'native' ? sets[0] : sets.find((name) => name === choice);
    const error = errorOf(() => t.equal(loadKernels(choice).set, expected));
    if (expected !== undefined) t.equal(error, undefined);
    else {
      t.ok(error instanceof LockstepError);
      t.match(error, { exitCode: 2, code: 'USAGE' });
      t.match(error, { message: /^--kernels: native.* cannot run here \(.+\); use auto, wasm or exact$/ });
    }
    t.end();
  });
}

t.test('auto takes the fastest that can run: native, then the relaxed build, then the exact one', (t) => {
  const best = typeof native === 'string' ? null : (`native:${native.sets[0]}` as const);
  t.equal(loadKernels('auto').set, best ?? (hasRelaxed ? 'wasm' : 'exact'));
  t.equal(runnableKernels()[0], loadKernels('auto').set);
  t.ok(loadKernels('auto').reason.length > 0);
  t.end();
});

t.test('all that is said to run runs, and nothing else', (t) => {
  const runnable = runnableKernels();
  for (const choice of kernelChoices) {
    if (choice === 'auto' || choice === 'native') continue;
    t.equal(errorOf(() => loadKernels(choice)) === undefined, runnable.includes(choice), choice);
  }
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
  const twinMemory = newMemory(3);
  const expected = computeKnownAnswer(twinKernels(twinMemory), twinMemory);
  for (const choice of ['auto', ...runnableKernels()] as const) {
    const loaded = loadKernels(choice);
    for (const _ of [1, 2]) {
      const memory = newMemory(3);
      t.equal(computeKnownAnswer(instantiateKernels(loaded, memory), memory), expected, choice);
    }
  }
  t.end();
});
