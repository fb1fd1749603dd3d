/** Who may import whom: the rules of the architecture, checked in the sources. */
import { builtinModules } from 'node:module';
import t from 'tap';
import { findCircles, findImports, packageOf, readSources, type Source } from './helpers/sources.ts';

const sources = readSources();
const paths = new Set(sources.map(({ path }) => path));

/** `from → to` of all imports between files of the product that the rule forbids. */
function breaches(
  isIn: (path: string) => boolean,
  mayImport: (file: string, path: string) => boolean,
): string[] {
  return sources
    .filter(({ path }) => isIn(path))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ file }) => file !== null && !mayImport(file, path))
        .map(({ file }) => `${path} → ${file}`),
    );
}

const under =
  (...folders: string[]) =>
  (path: string): boolean =>
    folders.some((folder) => path.startsWith(`${folder}/`));

t.test('the sources were found, and every import means a file that is there', (t) => {
  t.ok(sources.length > 60, `${sources.length} files`);
  const count = sources.reduce((sum, { imports }) => sum + imports.length, 0);
  t.ok(count > 3 * sources.length, `${count} imports`);
  // As many as there are lines that look like the end of one: none was overlooked.
  const ends = sources.flatMap(({ text }) => text.match(/\bfrom '[^']+';$/gm) ?? []);
  const statements = sources.flatMap(({ imports }) => imports).length;
  t.ok(statements >= ends.length, `${ends.length} lines end in from '…';`);
  const lost = breaches(
    () => true,
    (file) => paths.has(file),
  );
  t.same(lost, []);
  t.end();
});

t.test('imports are recognised however they are written', (t) => {
  const text = [
    "import a from './a.ts';",
    "import type { B } from '../b.ts';",
    "import { type C } from './c.ts';",
    "import {\n  d,\n  e as f,\n} from './d.ts';",
    "import * as g from 'zod/mini';",
    "export { h } from './h.ts';",
    "export type { I } from './i.ts';",
    "export * from './j.ts';",
    "import './k.ts';",
    "const l = await import('yargs');",
    "const o = createRequire(import.meta.url); o; require('koffi');",
    "// import m from './m.ts';",
    "/* import n from './n.ts'; */",
  ].join('\n');
  const imports = findImports(text, 'shared/x/y.ts');
  t.same(
    imports.map(({ specifier, file, isType }) => [file ?? specifier, isType]),
    [
      ['shared/x/a.ts', false],
      ['shared/b.ts', true],
      ['shared/x/c.ts', false], // the module is still loaded
      ['shared/x/d.ts', false],
      ['zod/mini', false],
      ['shared/x/h.ts', false],
      ['shared/x/i.ts', true],
      ['shared/x/j.ts', false],
      ['shared/x/k.ts', false],
      ['yargs', false],
      ['koffi', false],
    ],
  );
  t.same(imports.map(packageOf).filter(Boolean), ['zod', 'yargs', 'koffi']);
  t.same(
    imports.filter(({ isCall }) => isCall).map(({ specifier }) => specifier),
    ['yargs', 'koffi'],
  );
  t.end();
});

t.test('scripts import coordinator, worker and shared; those never import scripts', (t) => {
  t.same(breaches(under('coordinator', 'worker', 'shared'), under('coordinator', 'worker', 'shared')), []);
  t.end();
});

t.test('coordinator and worker never import each other', (t) => {
  t.same(breaches(under('coordinator'), under('coordinator', 'shared')), []);
  t.same(breaches(under('worker'), under('worker', 'shared')), []);
  t.end();
});

t.test('shared imports shared alone', (t) => {
  t.same(breaches(under('shared'), under('shared')), []);
  t.end();
});

t.test('model, data and reduction never import wire', (t) => {
  const isWire = under('shared/wire');
  t.same(
    breaches(under('shared/model', 'shared/data', 'shared/reduction'), (file) => !isWire(file)),
    [],
  );
  t.end();
});

t.test('wire imports wire and errors: it knows bytes, not models', (t) => {
  const isWire = under('shared/wire');
  t.same(
    breaches(isWire, (file) => isWire(file) || file === 'shared/errors.ts'),
    [],
  );
  t.end();
});

t.test('kernels import kernels and errors, the twin also the generator and the tree', (t) => {
  const isTwin = under('shared/kernels/twin');
  const isKernel = under('shared/kernels');
  t.same(
    breaches(isKernel, (file, path) => {
      if (isKernel(file) || file === 'shared/errors.ts') return true;
      return isTwin(path) && (file === 'shared/random.ts' || file === 'shared/reduction/tree.ts');
    }),
    [],
  );
  t.same(breaches(under('shared/kernels/assembly'), under('shared/kernels/assembly')), []);
  const packages = sources.filter(({ path }) => isKernel(path)).flatMap(({ imports }) => imports);
  t.same(packages.map(packageOf).filter(Boolean), [], 'and no packages');
  t.end();
});

/** File → files, by what is loaded at run time, or by types too. */
function graphOf(withTypes: boolean): Map<string, string[]> {
  return new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.flatMap(({ file, isType }) => (file !== null && (withTypes || !isType) ? [file] : [])),
    ]),
  );
}

t.test('no imports go in circles', (t) => {
  t.same(findCircles(graphOf(false)), []);
  // Types alone make no circle at run time; such circles are said.
  for (const circle of findCircles(graphOf(true))) t.comment(`a circle through types: ${circle}`);
  t.end();
});

t.test('a circle would be found', (t) => {
  const graph = new Map([
    ['b', ['c']],
    ['a', ['b', 'd']],
    ['c', ['a']],
    ['d', ['d', 'e']],
    ['e', []],
  ]);
  t.same(findCircles(graph).toSorted(), ['a → b → c → a', 'd → d']);
  t.end();
});

for (const name of [
  'piscina',
  'yargs',
  'ws',
  'msgpackr',
  '@peculiar/x509',
  'reflect-metadata',
  'uplot',
  'esbuild',
  'prom-client',
]) {
  t.test(`${name} is imported in one place at most`, (t) => {
    const importers = sources.filter(({ imports }) => imports.some((one) => packageOf(one) === name));
    t.ok(importers.length <= 1, importers.map(({ path }) => path).join(', ') || 'nowhere');
    t.end();
  });
}

t.test('koffi is loaded where libmpi is', (t) => {
  const importers = sources.filter(({ imports }) => imports.some((one) => packageOf(one) === 'koffi'));
  t.same(
    importers.map(({ path }) => path),
    ['worker/mpi/library.ts'],
  );
  t.end();
});

t.test(
  'zod is imported where recipes, control messages and what ranks say of themselves are checked',
  (t) => {
    const importers = sources.filter(({ imports }) => imports.some((one) => packageOf(one) === 'zod'));
    t.same(
      importers.map(({ path }) => path),
      ['shared/recipe/resolve.ts', 'shared/wire/messages.ts', 'worker/mpi/attendee.ts'],
    );
    t.end();
  },
);

/** The packages that are loaded with a file, before anything in it is called. */
function loadedWith(path: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const one of sources.find((source) => source.path === path)?.imports ?? []) {
      if (one.isType || one.isCall) continue;
      const name = packageOf(one);
      if (name !== null) packages.add(name);
      if (one.file !== null) visit(one.file);
    }
  };
  visit(path);
  return packages;
}

t.test('help loads no package, and training on one machine nothing that only the wire needs', (t) => {
  t.same([...loadedWith('scripts/cli.ts')], []);
  for (const path of ['scripts/index.ts', 'scripts/commands/train.ts']) {
    t.ok(paths.has(path), path);
    const loaded = loadedWith(path);
    for (const name of ['ws', 'msgpackr', '@peculiar/x509', 'prom-client'])
      t.notOk(loaded.has(name), `${path}: ${name}`);
  }
  t.ok(loadedWith('scripts/index.ts').has('piscina'), 'what is loaded is found');
  t.same([...loadedWith('shared/wire/codec.ts')].toSorted(), ['msgpackr', 'zod'], 'through other files, too');
  t.end();
});

t.test('modules of Node are imported as node:', (t) => {
  const bare = sources.flatMap(({ path, imports }) =>
    imports
      .filter((one) => builtinModules.includes(packageOf(one) ?? ''))
      .map(({ specifier }) => `${path} → ${specifier}`),
  );
  t.same(bare, []);
  t.end();
});

/** True if nothing is left of a file but exports of other files. */
function isBarrel({ text }: Pick<Source, 'text'>): boolean {
  const rest = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/^\s*export\s+(?:type\s)?[\w\s{},*]*\sfrom\s+'[^']+';?/gm, '');
  return rest.trim() === '' && /\bexport\b/.test(text);
}

t.test('no file only passes on what others export, but the library’s entry and the assembly’s', (t) => {
  const entries = ['scripts/index.ts', 'shared/kernels/assembly/index.ts'];
  const barrels = sources.filter(isBarrel).map(({ path }) => path);
  t.same(
    barrels.filter((path) => !entries.includes(path)),
    [],
  );
  t.ok(barrels.includes('shared/kernels/assembly/index.ts'), 'one is recognised');
  t.ok(isBarrel({ text: "// all\nexport * from './a.ts';\nexport {\n  b,\n} from './b.ts';\n" }));
  t.notOk(isBarrel({ text: "export * from './a.ts';\nexport const b = 1;\n" }));
  t.end();
});
