/** From flags to how the wire is kept secret: in the open, or under TLS with which certificate. */
import { statSync } from 'node:fs';
import { shownPath } from '../../shared/data/regular-file.ts';
import { reasonOf, usageError } from '../../shared/errors.ts';
import { isLoopback, type ListenAddress } from '../../shared/wire/address.ts';
import type { FlagValues } from './flag-values.ts';
import { stateFolder } from './folders.ts';

export interface Security {
  /** The certificate, or null for no TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly fingerprint: string } | null;
  /** The folder of the coordinator's own certificate, where it shows one. */
  readonly stateFolder: string | null;
  /** True where what leaves the machine is not encrypted. */
  readonly isInTheOpen: boolean;
}

/** Of those who never leave the machine. */
export const noSecurity: Security = { tls: null, stateFolder: null, isInTheOpen: false };

/**
 * Reads how those are met who come to an address.
 * @param names of this machine, for a certificate that is made
 * @throws LockstepError (USAGE, DATA, OUTPUT)
 */
export async function readSecurity(
  flags: FlagValues,
  { host }: ListenAddress,
  names: readonly string[],
): Promise<Security> {
  const { chooseTransportSecurity } = await import('../../coordinator/transport-security.ts');
  const security = chooseTransportSecurity({
    host,
    onLoopback: areRanks(flags),
    insecure: flags.isOn('insecure'),
    cert: flags.text('cert') ?? null,
    key: flags.text('key') ?? null,
  });
  if (security.kind === 'plain') return { tls: null, stateFolder: null, isInTheOpen: !isLoopback(host) };
  const { loadIdentity, ownIdentity } = await import('../../coordinator/certificate.ts');
  if (security.kind === 'files') {
    checkIsFile(flags.label('cert'), security.cert);
    checkIsFile(flags.label('key'), security.key);
    return { tls: loadIdentity(security), stateFolder: null, isInTheOpen: false };
  }
  const folder = stateFolder(process.env);
  return { tls: await ownIdentity(folder, names), stateFolder: folder, isInTheOpen: false };
}

/** Whether a launcher starts those who come: before there is a coordinator, at an address that anybody can tell. */
function areRanks(flags: FlagValues): boolean {
  return flags.text('transport') === 'websocket';
}

/** @throws LockstepError (USAGE) */
function checkIsFile(label: string, path: string): void {
  const expected = `${label}: got ${shownPath(path)}, expected a file in PEM`;
  try {
    if (statSync(path).isFile()) return;
  } catch (cause) {
    throw usageError(`${expected} (${reasonOf(cause)})`, cause);
  }
  throw usageError(`${expected}, not a folder or a device`);
}
