/** Where the ranks of a launcher meet: what rank 0 listens on, and what the others call it. */
import { isIP } from 'node:net';
import { usageError } from '../shared/errors.ts';
import { addressText, isLoopback, type ListenAddress, parseListen } from '../shared/wire/address.ts';
import type { Launch } from './launch.ts';

export interface Place {
  readonly listen: ListenAddress;
  /** The same as `--listen` has it. */
  readonly listenText: string;
  /** Where workers find it, host and port. */
  readonly address: string;
  /** Its host, where that is a name which the machine may not know itself. */
  readonly hostName: string | null;
}

const defaultPort = 7077;
const everywhere = ['0.0.0.0', '::'];

/**
 * A name says where others find rank 0, but not which of its networks that is, so it listens on all of them. Where it is
 * found is what MASTER_ADDR says, otherwise what it is told to listen on, otherwise what the launcher's words amount to.
 * @param listenText what the user says that rank 0 listens on, or null
 * @param label what that was given as, for messages
 * @throws LockstepError (USAGE) where nobody says where rank 0 is, or on which port
 */
export function meetingPlace(
  { launcher, address }: Pick<Launch, 'launcher' | 'address'>,
  listenText: string | null,
  label = '--listen',
): Place {
  const given = listenText === null ? null : parseListen(listenText, label);
  if (given?.port === 0)
    throw usageError(`${label}: got port 0, expected one that all ranks know, from 1 to 65535`);
  const isGiven = given !== null && !everywhere.includes(given.host);
  // Nobody listens at what the launcher's words amount to, where the user has said another one.
  const host = isGiven && !address?.isGiven ? given.host : (address?.host ?? null);
  if (host === null) {
    throw usageError(
      `MASTER_ADDR: got nothing, and ${launcher} does not say where rank 0 is; set it for all ranks, ` +
        `to a name or an address of that machine (and MASTER_PORT, if not ${defaultPort})`,
    );
  }
  const port = given?.port ?? address?.port ?? defaultPort;
  const isName = isIP(host) === 0 && !isLoopback(host);
  const listen = given ?? { host: isName ? '0.0.0.0' : host, port };
  return {
    listen,
    listenText: addressText(listen.host, listen.port),
    address: addressText(host, port),
    hostName: isName ? host : null,
  };
}
