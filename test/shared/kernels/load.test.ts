/** Which set of kernels is taken, and what is said when one that was asked for cannot run. */
import t from 'tap';
import { LockstepError } from '../../../shared/errors.ts';
import {
  instantiateKernels,
  kernelChoices,
  loadKernels,
  runnableKernels,
} from '../../../shared/kernels/load.ts';
import { loadNativeKernels, type NativeKernels } from '../../../shared/kernels/native.ts';
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
      t.match(error, {
        message: /^--kernels: native.* cannot run here \(.+\); use auto, or one of (.+, )?exact$/,
      });
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

t.test('where the best native set fails its probe, auto takes the next that does not, and says why', (t) => {
  if (typeof native === 'string') {
    t.pass('no native kernels can run here');
    t.end();
    return;
  }
  const [broken, next] = native.sets;
  const withBroken: NativeKernels = {
    sets: native.sets,
    bind: (set, memory) =>
      set === broken ? { ...native.bind(set, memory), dense: () => {} } : native.bind(set, memory),
  };
  const expected = next === undefined ? (hasRelaxed ? 'wasm' : 'exact') : `native:${next}`;
  const loaded = loadKernels('auto', withBroken);
  t.equal(loaded.set, expected);
  t.match(loaded.reason, `native:${broken} failed its probe`);
  t.notOk(runnableKernels(withBroken).includes(`native:${broken}`));
  t.throws(() => loadKernels(`native:${broken}`, withBroken), { code: 'USAGE' });
  t.end();
});

t.test('where there are no native kernels, auto takes WebAssembly and says why', (t) => {
  const loaded = loadKernels('auto', 'there are none');
  t.equal(loaded.set, hasRelaxed ? 'wasm' : 'exact');
  t.match(loaded.reason, 'there are none');
  t.throws(() => loadKernels('native', 'there are none'), { code: 'USAGE', message: /\(there are none\)/ });
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
    t.match(error, { message: /use auto, or one of (.+, )?exact$/ });
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
