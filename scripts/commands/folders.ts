/** Where things of the user's lie that are no run's, by the XDG Base Directory Specification. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** What has to stay: the coordinator's own certificate. */
export function stateFolder(environment: NodeJS.ProcessEnv): string {
  return folderOf(environment.XDG_STATE_HOME, ['.local', 'state']);
}

/** What can be brought again: data that came from coordinators. */
export function cacheFolder(environment: NodeJS.ProcessEnv): string {
  return folderOf(environment.XDG_CACHE_HOME, ['.cache']);
}

/** A variable that is no absolute path does not count, says the specification. */
function folderOf(named: string | undefined, otherwise: readonly string[]): string {
  const base = named !== undefined && isAbsolute(named) ? named : join(homedir(), ...otherwise);
  return join(base, 'lockstep');
}
