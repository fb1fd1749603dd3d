/** What a system has and another has not. */
import { existsSync } from 'node:fs';
import type { Test } from 'tap';

/** Whether a file of the system is there; if not, that is said aloud. */
export function hasFile(t: Test, path: string): boolean {
  return has(t, path, existsSync(path));
}

/** Whether one process can send another a signal that it can catch; if not, that is said aloud. */
export function hasSignals(t: Test): boolean {
  return has(t, 'signals', process.platform !== 'win32');
}

function has(t: Test, what: string, isThere: boolean): boolean {
  if (!isThere) {
    t.comment(`NOT TESTED: this system has no ${what}`);
    t.pass(`no ${what} here`);
  }
  return isThere;
}
