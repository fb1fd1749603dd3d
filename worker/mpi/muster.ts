/** At the start every rank says what it is, and all come to the same verdict on whether they can train together. */
import { hostname } from 'node:os';
import { LockstepError } from '../../shared/errors.ts';
import { arithmeticVersion } from '../../shared/recipe/recipe.ts';
import { version } from '../../shared/version.ts';
import { type Attendee, decodeAttendee, encodeAttendee, recordFormat } from './attendee.ts';
import { verdict, verdictCode } from './verdict.ts';
import type { World } from './world.ts';

/** Raised by any change of what ranks send each other. */
export const exchangeProtocol = 1;
/** Ranks that come here have greeted each other before (greeting.ts), and have loaded data and kernels since. */
const what = 'the muster of all ranks';

/** What a rank knows of itself beside where and what version it is. */
export type Own = Pick<Attendee, 'threads' | 'kernels' | 'answer' | 'recipe' | 'same' | 'error'>;

export interface Attendance {
  /** By rank; all of them where there is no refusal. */
  readonly attendees: readonly Attendee[];
  /** Why they cannot train together, in the same words on all ranks. */
  readonly refusal: LockstepError | null;
}

/** This process as it comes to the muster. */
export function attend({ error, ...own }: Own): Attendee {
  return {
    ...{ format: recordFormat, lockstep: version, protocol: exchangeProtocol, arithmetic: arithmeticVersion },
    ...{ host: hostname().slice(0, 256), pid: process.pid, node: process.version },
    platform: `${process.platform}-${process.arch}`,
    ...own,
    error: error && { code: error.code, message: error.message.slice(0, 4_000).toWellFormed() },
  };
}

/**
 * Has every rank say what it is.
 * @throws LockstepError (MPI) naming the ranks that do not come within the deadline
 */
export async function muster(
  world: Pick<World, 'allGather'>,
  own: Attendee,
  deadlineMs: number,
): Promise<Attendance> {
  const arrivals = (await world.allGather(encodeAttendee(own), what, deadlineMs)).map(decodeAttendee);
  const attendees = arrivals.flatMap((one) => (one.kind === 'attendee' ? [one.attendee] : []));
  const line = verdict(arrivals);
  return { attendees, refusal: line === null ? null : new LockstepError(verdictCode(arrivals), line) };
}
