/** What a worker knows a coordinator's certificate by. */
import { createHash } from 'node:crypto';
import { quoted, usageError } from '../errors.ts';

/** `sha256:` and the SHA-256 of a certificate's DER in hex, as `openssl x509 -fingerprint -sha256` has it too. */
export function fingerprintOf(der: Uint8Array): string {
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

/**
 * Reads a fingerprint, in either case and with or without colons between the bytes.
 * @param where what the text is, for the message
 * @throws LockstepError (USAGE)
 */
export function parseFingerprint(text: string, where = '--fingerprint'): string {
  const hex = /^sha256:((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})$/i.exec(text)?.[1];
  if (hex !== undefined) return `sha256:${hex.replaceAll(':', '').toLowerCase()}`;
  throw usageError(
    `${where}: got ${quoted(text)}, expected sha256: and 64 hexadecimal digits; copy what the coordinator printed`,
  );
}
