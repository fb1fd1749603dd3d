/** Opening a port, with an error that a user can do something about. */
import type { AddressInfo, Server } from 'node:net';
import { LockstepError, reasonOf } from '../shared/errors.ts';
import { addressText, type ListenAddress } from '../shared/wire/address.ts';
import { codeOf } from './durable-file.ts';

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop what listens there or choose another port',
  EADDRNOTAVAIL: 'that is no address of this machine; choose one of its own, or 0.0.0.0 for all',
  EACCES: 'not allowed; choose a port from 1024 on',
  ENOTFOUND: 'nobody knows that name; choose an address of this machine, or 0.0.0.0 for all',
};

/**
 * Listens, and returns the port.
 * @throws LockstepError (CONNECTION)
 */
export function listenAt(listener: Server, { host, port }: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once('error', (cause) => {
      const why = advice[codeOf(cause) ?? ''] ?? `${reasonOf(cause)}; choose another address`;
      reject(
        new LockstepError('CONNECTION', `--listen: cannot listen on ${addressText(host, port)}: ${why}`, {
          cause,
        }),
      );
    });
    listener.listen(port, host, () => resolve((listener.address() as AddressInfo).port));
  });
}
