/** Building the native kernels: what happens without a compiler, on an error, and when nothing changed. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { buildNative } from '../../scripts/build-native.ts';

/** Why nothing can be built on a system that lacks what it takes. */
const noNativeHere = /no C\+\+ compiler|there are none for|node-api-headers/;

/** A source tree whose files are these instead of kernels. */
function treeOf(t: Test, source: string): { root: string; addon: string } {
  const root = t.testdir();
  const folder = join(root, 'shared', 'kernels', 'native');
  mkdirSync(folder, { recursive: true });
  for (const name of ['addon', 'avx512', 'avx2', 'neon']) writeFileSync(join(folder, `${name}.cc`), source);
  const platform = `${process.platform}-${process.arch}`;
  return { root, addon: join(root, 'dist', 'shared', 'kernels', `lockstep-${platform}.node`) };
}

t.test(
  'without a compiler there are no native kernels, old ones neither, and the reason says so',
  async (t) => {
    const { root, addon } = treeOf(t, '');
    mkdirSync(dirname(addon), { recursive: true });
    writeFileSync(addon, 'old');
    writeFileSync(join(dirname(addon), 'native.stamp'), 'old');
    const { PATH, CXX } = process.env;
    t.teardown(() => Object.assign(process.env, { PATH }, CXX === undefined ? {} : { CXX }));
    process.env.PATH = root;
    delete process.env.CXX;
    t.match(await buildNative(root), /no C\+\+ compiler was found|there are none for/);
    t.same(readdirSync(dirname(addon)), []);
  },
);

t.test('what does not compile is named in one line', async (t) => {
  const { root, addon } = treeOf(t, 'int kernel() { return missing; }\n');
  const reason = await buildNative(root);
  if (!/error:/.test(reason ?? '')) t.comment(`NOT TESTED: there is no compiler here. ${reason}`);
  t.match(reason, /missing|no C\+\+ compiler|there are none for|node-api-headers/);
  t.notMatch(reason, /\n/);
  t.notOk(existsSync(addon));
});

t.test('an addon that is cut short or another is built again, and none is half written', async (t) => {
  const { root, addon } = treeOf(t, 'namespace { int kernel = 1; }\n');
  const reason = await buildNative(root);
  if (reason !== null) {
    t.comment(`NOT TESTED: ${reason}`);
    t.match(reason, noNativeHere);
    return;
  }
  const whole = readFileSync(addon);
  const spoil = [
    () => truncateSync(addon, 1000),
    () => writeFileSync(addon, Buffer.from(whole).fill(0, 1000, 1100)),
    () => writeFileSync(addon, 'another'),
  ];
  for (const spoilIt of spoil) {
    spoilIt();
    t.equal(await buildNative(root), null);
    t.ok(readFileSync(addon).equals(whole));
  }
  t.same(readdirSync(dirname(addon)).toSorted(), [basename(addon), 'native.stamp']);

  const source = join(root, 'shared', 'kernels', 'native', 'addon.cc');
  writeFileSync(source, 'int kernel() { return missing; }\n');
  t.match(await buildNative(root), /missing/);
  t.same(readdirSync(dirname(addon)), [], 'neither an addon nor its stamp after an error');
});

t.test('what did not change is not built again, what changed is', async (t) => {
  const { root, addon } = treeOf(t, 'namespace { int kernel = 1; }\n');
  const reason = await buildNative(root);
  if (reason !== null) {
    t.comment(`NOT TESTED: ${reason}`);
    t.match(reason, noNativeHere);
    return;
  }
  const { mtimeMs } = statSync(addon);
  t.equal(await buildNative(root), null);
  t.equal(statSync(addon).mtimeMs, mtimeMs);
  writeFileSync(join(root, 'shared', 'kernels', 'native', 'addon.cc'), 'namespace { int kernel = 2; }\n');
  t.equal(await buildNative(root), null);
  t.ok(statSync(addon).mtimeMs > mtimeMs);
});
