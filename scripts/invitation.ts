/** What a worker needs to come in, and where it can find the coordinator. */
import { networkInterfaces } from 'node:os';
import { addressText, isLoopback } from '../shared/wire/address.ts';

export interface Invitation {
  readonly url: string;
  readonly fingerprint: string | null;
  readonly token: string;
  /** True if the token was made for this run, so that nobody knows it who is not told. */
  readonly isTokenNew: boolean;
  /** True if a worker has to say that it goes without TLS beyond its machine. */
  readonly isInsecure: boolean;
}

/** Name and address of the threads of a coordinator's own process, as a worker. */
export const thisProcess = 'this process';

/** The URL for workers of a coordinator that listens there. */
export function coordinatorUrl(
  listen: { readonly host: string; readonly port: number },
  isSecure: boolean,
): Pick<Invitation, 'url' | 'isInsecure'> {
  const host = reachableHost(listen.host);
  return {
    url: `${isSecure ? 'wss' : 'ws'}://${addressText(host, listen.port)}`,
    isInsecure: !isSecure && !isLoopback(host),
  };
}

/** Where others reach this machine, if it listens everywhere: the first address that is not its own alone. */
export function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  return found?.address ?? (host === '::' ? '::1' : '127.0.0.1');
}
