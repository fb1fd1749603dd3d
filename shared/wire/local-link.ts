/** A link within a process: a worker that lives where the coordinator lives. */
import type { Frame, FrameHeader } from './frame.ts';
import type { ArrivingLink, LinkEvents, WorkerLink } from './link.ts';
import type { ToCoordinator, ToWorker } from './messages.ts';

/** Two ends of a link; neither hears anything before it has a listener. */
export function localLink(address: string): {
  readonly worker: WorkerLink;
  readonly coordinator: ArrivingLink;
  listen(worker: LinkEvents<ToWorker>, coordinator: LinkEvents<ToCoordinator>): void;
} {
  const toWorker = new End<ToWorker>();
  const toCoordinator = new End<ToCoordinator>();
  const link = <Sent>(to: End<Sent>, own: { close(reason: string): void }) => ({
    address,
    send: (message: Sent) => to.deliver((events) => events.message(message)),
    // A copy leaves at once, so nothing is ever buffered.
    sendFrame: (header: FrameHeader, payload: Uint8Array) => {
      const frame: Frame = { ...header, payload: new Uint8Array(payload) };
      to.deliver((events) => events.frame(frame));
    },
    bufferedBytes: 0,
    whenBelow: (_bytes: number, callback: () => void) => void setImmediate(callback),
    close: (reason: string) => {
      to.close(reason);
      own.close(reason);
    },
    destroy: () => {
      to.close('the connection was dropped');
      own.close('the connection was dropped');
    },
  });
  return {
    worker: { ...link(toCoordinator, toWorker), openBulk: async () => {} },
    coordinator: { ...link(toWorker, toCoordinator), ticket: 'local', hasBulk: true, expectBulk: () => {} },
    listen: (worker, coordinator) => {
      toWorker.events = worker;
      toCoordinator.events = coordinator;
    },
  };
}

/** One end: what is sent to it arrives in order, but never while its sender is still at it. */
class End<Received> {
  events: LinkEvents<Received> | null = null;
  #isClosed = false;

  deliver(tell: (events: LinkEvents<Received>) => void): void {
    if (this.#isClosed) return;
    setImmediate(() => {
      if (this.events !== null) tell(this.events);
    });
  }

  close(reason: string): void {
    this.deliver((events) => events.closed(reason));
    this.#isClosed = true;
  }
}
