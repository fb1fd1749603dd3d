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
 * @param label the flag that says where
 * @param orAnyPort whether any port will do where this one is taken
 * @throws LockstepError (CONNECTION)
 */
export function listenAt(
  listener: Server,
  { host, port }: ListenAddress,
  { label = '--listen', orAnyPort = false } = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error): void => {
      if (orAnyPort && port !== 0 && codeOf(cause) === 'EADDRINUSE') {
        listenAt(listener, { host, port: 0 }, { label }).then(resolve, reject);
        return;
      }
      const why = advice[codeOf(cause) ?? ''] ?? `${reasonOf(cause)}; choose another address`;
      reject(
        new LockstepError('CONNECTION', `${label}: cannot listen on ${addressText(host, port)}: ${why}`, {
          cause,
        }),
      );
    };
    listener.once('error', refuse);
    listener.listen(port, host, () => {
      // What goes wrong from now on is not this call's.
      listener.off('error', refuse);
      resolve((listener.address() as AddressInfo).port);
    });
  });
}
