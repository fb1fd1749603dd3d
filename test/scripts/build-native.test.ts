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

/** Sets variables of the environment until the test ends. */
function setVariables(t: Test, variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    t.teardown(() => setVariable(name, before));
    setVariable(name, value);
  }
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

t.test(
  'without a compiler there are no native kernels, old ones neither, and the reason says so',
  async (t) => {
    const { root, addon } = treeOf(t, '');
    mkdirSync(dirname(addon), { recursive: true });
    writeFileSync(addon, 'old');
    writeFileSync(join(dirname(addon), 'native.stamp'), 'old');
    setVariables(t, { PATH: root, CXX: undefined });
    t.match(await buildNative(root), /no C\+\+ compiler was found.*; install one|there are none for/);
    t.same(readdirSync(dirname(addon)), []);
  },
);

t.test('where CXX is set it decides: what it names is used, and nothing else', async (t) => {
  const { root, addon } = treeOf(t, 'namespace { int kernel = 1; }\n');
  setVariables(t, { CXX: undefined });
  const reason = await buildNative(root);
  const hasCompiler = existsSync(addon);
  if (!hasCompiler) t.comment(`NOT TESTED: that another compiler would be found. ${reason}`);
  for (const [CXX, shown] of [
    ['false', 'false'],
    [' no-such-compiler  -O2', 'no-such-compiler -O2'],
  ]) {
    setVariables(t, { CXX });
    const reason = await buildNative(root);
    t.match(reason, new RegExp(`^CXX=${shown} does not run; |there are none for`));
    t.same(existsSync(dirname(addon)) ? readdirSync(dirname(addon)) : [], []);
  }
  setVariables(t, { CXX: ' ' });
  await buildNative(root);
  t.equal(existsSync(addon), hasCompiler, 'an empty one is none');
});

t.test('what does not compile is named in one line', async (t) => {
  const { root, addon } = treeOf(t, 'int kernel() { return missing; }\n');
  const reason = await buildNative(root);
  if (!/error:/.test(reason ?? '')) t.comment(`NOT TESTED: there is no compiler here. ${reason}`);
  t.match(reason, /missing|no C\+\+ compiler|there are none for|node-api-headers/);
  t.notMatch(reason, /\n/);
  t.notOk(existsSync(addon));
});

t.test('of what a compiler or linker says the first error is shown, and what to do', async (t) => {
  const { root } = treeOf(t, '');
  const compiler = join(root, 'compiler');
  const todo = '; mend this, or name another compiler by CXX, and run npm run build';
  for (const [said, shown] of [
    [
      "a.cc: In function 'int f()':\na.cc:1:9: error: 'x' is missing\na.cc:2:1: error: y",
      "a.cc:1:9: error: 'x' is missing",
    ],
    ['a.cc:1:9: fatal error: no.h: No such file', 'a.cc:1:9: fatal error: no.h: No such file'],
    [
      "/usr/bin/ld: a.o: in function `f':\na.cc:(.text+0x5): undefined reference to `g'\ncollect2: error: ld",
      "a.cc:(.text+0x5): undefined reference to `g'",
    ],
    ['a note\n/usr/bin/ld: cannot find -lx\ncollect2: error: ld returned 1', '/usr/bin/ld: cannot find -lx'],
  ]) {
    writeFileSync(join(root, 'said'), `${said}\n`);
    const script = [
      '#!/bin/sh',
      '[ "$1" = --version ] && exit',
      `[ "$LC_ALL" = C ] && cat '${root}/said' >&2`,
      'exit 1',
    ];
    writeFileSync(compiler, script.join('\n'), { mode: 0o755 });
    setVariables(t, { CXX: compiler, LC_ALL: 'xx_XX.UTF-8' });
    const reason = await buildNative(root);
    if (noNativeHere.test(reason ?? '')) t.comment(`NOT TESTED: ${reason}`);
    else t.equal(reason, shown + todo);
  }
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
