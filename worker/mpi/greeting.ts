/**
 * The first thing that ranks do together: each says what it is, in a record of the muster that has no recipe yet, and may
 * bring something behind it. A record's header is the same in all versions; what is behind is for the same version alone.
 */
import { LockstepError } from '../../shared/errors.ts';
import { type Arrival, decodeAttendee, encodeAttendee, recordEnd } from './attendee.ts';
import { attend } from './muster.ts';
import { verdict, verdictCode } from './verdict.ts';
import type { World } from './world.ts';

/** What it is called must stay the same in all versions. */
const what = 'what the run goes on from';

export interface Greetings {
  /** What each rank brought behind its greeting, by rank; for ranks of the same version to read. */
  readonly behind: readonly Uint8Array[];
  /** Why they cannot go on together, in the same words on all ranks that can read each other. */
  readonly refusal: LockstepError | null;
  /** The ranks whose greeting could be read, by rank; the others know nothing of greetings. */
  readonly known: readonly boolean[];
}

/**
 * Has every rank say what it is.
 * @throws LockstepError (MPI) naming the ranks that do not come within the deadline
 */
export async function greet(
  world: Pick<World, 'allGather'>,
  behind: readonly Uint8Array[],
  deadlineMs: number,
): Promise<Greetings> {
  const brought = await world.allGather(Buffer.concat([greeting(), ...behind]), what, deadlineMs);
  const read = brought.map(readGreeting);
  const arrivals = read.map(({ arrival }) => arrival);
  const line = verdict(arrivals);
  return {
    behind: read.map((one) => one.behind),
    refusal: line === null ? null : new LockstepError(verdictCode(arrivals), line),
    known: arrivals.map(({ kind }) => kind !== 'garbage'),
  };
}

function greeting(): Uint8Array {
  const nothingYet = { threads: 0, kernels: '', answer: null, recipe: null, same: {}, error: null };
  return encodeAttendee(attend(nothingYet));
}

/** It never throws, whatever comes. */
function readGreeting(bytes: Uint8Array): { readonly arrival: Arrival; readonly behind: Uint8Array } {
  const end = recordEnd(bytes);
  return { arrival: decodeAttendee(bytes.subarray(0, end)), behind: bytes.subarray(end) };
}
