/** Whether workers are met in the open or under TLS, and with which certificate. */
import { usageError } from '../shared/errors.ts';
import { isLoopback } from '../shared/wire/address.ts';

export type TransportSecurity =
  | { readonly kind: 'plain' }
  /** A certificate of the coordinator's own, which workers know by its fingerprint. */
  | { readonly kind: 'own' }
  | { readonly kind: 'files'; readonly cert: string; readonly key: string };

/**
 * Decides from where the coordinator listens and from the flags `--insecure`, `--cert`, `--key`.
 * What leaves the machine goes through TLS, unless the user says otherwise.
 * @param options.onLoopback whether what stays on the machine does, too: where workers may come before the coordinator,
 *   anybody else of this machine may listen in its place
 * @throws LockstepError (USAGE) when flags contradict each other
 */
export function chooseTransportSecurity(options: {
  readonly host: string;
  readonly onLoopback: boolean;
  readonly insecure: boolean;
  readonly cert: string | null;
  readonly key: string | null;
}): TransportSecurity {
  const { host, onLoopback, insecure, cert, key } = options;
  if (cert !== null && key === null)
    throw usageError('--cert: got no --key, expected both; add the file with its key');
  if (cert === null && key !== null)
    throw usageError('--key: got no --cert, expected both; add the file with its certificate');
  if (cert !== null && key !== null) {
    if (insecure)
      throw usageError('--insecure: got --cert too, expected one of them; a certificate is for TLS');
    return { kind: 'files', cert, key };
  }
  return insecure || (isLoopback(host) && !onLoopback) ? { kind: 'plain' } : { kind: 'own' };
}
