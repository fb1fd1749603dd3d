/** Packages out of a folder that is not ours: they are there or not, and have no types here. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** The version of a package in a folder's `node_modules`, null where there is none. */
export function packageVersion(folder: string, name: string): string | null {
  const file = join(folder, 'node_modules', name, 'package.json');
  if (!existsSync(file)) return null;
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/**
 * What a package exports.
 * @throws Error of Node where there is none
 */
export function loadPackage(folder: string, name: string): unknown {
  return createRequire(join(resolve(folder), 'package.json'))(name) as unknown;
}
