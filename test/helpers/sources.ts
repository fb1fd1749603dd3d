/** The sources of the product and what they import. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Import {
  /** What stands in the source: `./tree.ts`, `node:fs`, `piscina`. */
  readonly specifier: string;
  /** The file of the product, from the root, that it means; null for a package or a module of Node. */
  readonly file: string | null;
  /** True for `import type` and `export type`, of which nothing is left at run time. */
  readonly isType: boolean;
  /** True for `import('…')` and `require('…')`, which load nothing until they are reached. */
  readonly isCall: boolean;
}

export interface Source {
  /** From the root, with slashes: `shared/reduction/tree.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** The folder with the sources: where the tests were started, or above this file. */
function findRoot(): string {
  const isRoot = (folder: string) => existsSync(join(folder, 'shared/kernels/assembly/index.ts'));
  if (isRoot(process.cwd())) return process.cwd();
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isRoot(folder)) {
    if (dirname(folder) === folder) throw new Error('the sources are neither here nor above the tests');
    folder = dirname(folder);
  }
  return folder;
}

/** All sources of the product; tests are not part of it. */
export function readSources(): Source[] {
  const root = findRoot();
  const paths = ['coordinator', 'worker', 'shared', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')),
  );
  return paths.toSorted().map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, text, imports: findImports(text, path) };
  });
}

/** `import … from '…'`, `export … from '…'`, `import '…'`, `import('…')` and `require('…')`. */
export function findImports(text: string, path: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const statement = /^\s*(?:import|export)\s+(type\s)?(?:[\w\s{},*]*\sfrom\s+)?'([^'\n]+)'/gm;
  const call = /\b(?:import|require)\(\s*'([^'\n]+)'\s*\)/g;
  const found = [
    ...[...code.matchAll(statement)].map(([, type, specifier]) => ({
      specifier,
      isType: type !== undefined,
      isCall: false,
    })),
    ...[...code.matchAll(call)].map(([, specifier]) => ({ specifier, isType: false, isCall: true })),
  ];
  return found.map((one) => ({ ...one, file: resolve(one.specifier, path) }));
}

function resolve(specifier: string, path: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const file = posix.join(posix.dirname(path), specifier);
  return /\.\w+$/.test(file) ? file : `${file}.ts`; // AssemblyScript's have no ending
}

/** The package of a specifier (`zod` of `zod/mini`), null for files and modules of Node. */
export function packageOf({ specifier, file }: Import): string | null {
  if (file !== null || specifier.startsWith('node:')) return null;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Circles of files, each once, from its first file on. */
export function findCircles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const circles = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): void => {
    const at = above.indexOf(path);
    if (at >= 0) {
      const circle = above.slice(at);
      const first = circle.indexOf(circle.toSorted()[0]);
      circles.add([...circle.slice(first), ...circle.slice(0, first), circle[first]].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...above, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return [...circles];
}
