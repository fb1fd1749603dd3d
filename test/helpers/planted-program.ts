/** A copy of the built program with a fault planted in it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

/** In a file of `dist`, each text (which must be there once) is replaced. */
export interface Plant {
  readonly file: string;
  readonly replace: readonly (readonly [text: string, by: string])[];
}

const dist = fileURLToPath(new URL('../../', import.meta.url));

/** Makes the copy and returns the path of its command line; it is gone after the test. */
export function plantedProgram(t: Test, plants: readonly Plant[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-planted-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, join(folder, 'dist'), { recursive: true });
  const root = dirname(dist.replace(/\/$/, ''));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  for (const { file, replace } of plants) {
    const path = join(folder, 'dist', file);
    let source = readFileSync(path, 'utf8');
    for (const [text, by] of replace) {
      const count = source.split(text).length - 1;
      t.equal(count, 1, `${file} has the place of the fault`);
      source = source.replace(text, () => by);
    }
    writeFileSync(path, source);
  }
  return join(folder, 'dist', 'scripts', 'cli.js');
}
