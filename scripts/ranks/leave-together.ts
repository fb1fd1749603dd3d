/** How ranks end their exchanges before they wait for something that is not MPI. */
import type { World } from '../../worker/mpi/world.ts';

const meetMs = 60_000;

/**
 * Returns once all ranks have come. MPI sends what a rank has handed over only while that rank asks it for something: one that
 * is done, and asks nothing more, would leave the others waiting for the rest of what it sent.
 * @throws LockstepError (MPI) naming the ranks that did not come
 */
export async function leaveTogether(world: World): Promise<void> {
  await world.allGather(Uint8Array.of(1), 'the end of the exchanges', meetMs);
}
