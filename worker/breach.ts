import { LockstepError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';

/** A coordinator that says what none of this version says. The worker leaves it and does not come back. */
export function breach(address: string, what: string, cause?: unknown): LockstepError {
  return new LockstepError(
    'REFUSED',
    `coordinator ${address}: ${what}; install the same version on both, here is Lockstep ${version}`,
    { cause },
  );
}
