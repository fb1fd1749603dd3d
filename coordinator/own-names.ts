/** What this machine is called, as far as it knows without asking anybody. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './durable-file.ts';

/** The names of this machine, in lower case: its own, and where that is short, the full ones that its hosts file has. */
export function ownNames(own = hostname(), hosts = readHosts()): string[] {
  const short = own.toLowerCase();
  const known = hosts
    .split('\n')
    .flatMap((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/).slice(1));
  return [short, ...new Set(known.filter((name) => name.startsWith(`${short}.`)))];
}

/** The file of most systems; where there is none, nothing is known. */
function readHosts(): string {
  try {
    return readFileSync('/etc/hosts', 'utf8');
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return '';
  }
}
