/** Tells workers that come for a run which does not begin, so that they need not wait for it until they lose patience. */
import { openDoor } from '../coordinator/door.ts';
import type { LinkEvents } from '../shared/wire/link.ts';
import type { ToCoordinator } from '../shared/wire/messages.ts';
import type { WorkersSettings } from './workers.ts';

/** Who comes later than that finds nobody, and waits as long as it was told to. */
const farewellMs = 30_000;

/**
 * Opens the door until so many workers have come and gone, or half a minute is over.
 * @throws LockstepError (CONNECTION) when the port cannot be had
 */
export async function sayFarewell(
  { listen, names = [], tls, token }: Pick<WorkersSettings, 'listen' | 'names' | 'tls'> & { token: string },
  workers: number,
  { reason, failed }: { readonly reason: string; readonly failed: boolean },
): Promise<void> {
  let left = workers;
  let timer: NodeJS.Timeout | undefined;
  let resolve = (): void => {};
  const allGone = new Promise<void>((done) => {
    resolve = done;
  });
  const door = await openDoor({
    listen,
    names,
    tls,
    token,
    log: () => {}, // there is no run that it would belong to
    onWorker: (link): LinkEvents<ToCoordinator> => ({
      // Its hello says that it listens.
      message: () => {
        link.send({ type: 'end', reason, failed });
        link.close(reason);
      },
      frame: () => link.destroy(),
      closed: () => {
        left -= 1;
        if (left <= 0) resolve();
      },
    }),
  });
  try {
    timer = setTimeout(resolve, farewellMs);
    await allGone;
  } finally {
    clearTimeout(timer);
    await door.close(reason);
  }
}
