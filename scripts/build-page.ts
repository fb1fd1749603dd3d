/** Bundles the page that shows a run: one file of script for each of its two pages, one of style, and what goes beside. */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Builds the page under `root` into `dist/coordinator/dashboard/page`; the kernels are built already. */
export async function buildPage(root: string): Promise<void> {
  const source = join(root, 'coordinator', 'dashboard', 'page');
  const target = join(root, 'dist', 'coordinator', 'dashboard', 'page');
  mkdirSync(target, { recursive: true });
  for (const name of ['page.js', 'draw.js', 'page.css']) rmSync(join(target, name), { force: true });
  await build({
    entryPoints: ['page.ts', 'draw.ts', 'page.css'].map((name) => join(source, name)),
    outdir: target,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2023', 'chrome120', 'firefox121', 'safari17.4'],
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const name of ['index.html', 'draw.html', 'icon.svg']) {
    copyFileSync(join(source, name), join(target, name));
  }
  // Any browser can run these, and they give the same bits as all others.
  copyFileSync(join(root, 'dist', 'shared', 'kernels', 'exact.wasm'), join(target, 'kernels.wasm'));
}
