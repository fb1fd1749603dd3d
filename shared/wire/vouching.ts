/**
 * How a token vouches for a certificate, where no fingerprint was told: whoever shows the certificate also shows that it
 * knows the token, for this very certificate and for a number that was never asked before. Somebody in between has
 * another certificate, for which nobody who knows the token would say so.
 *
 * The answer lets anybody who asks try tokens at home, as often as they like. So only a token that cannot be found in
 * this way vouches.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

export const vouchingPath = '/vouch';

/** The header of the question: 32 random bytes in hex. */
export const nonceHeader = 'lockstep-nonce';
export const noncePattern = /^[0-9a-f]{64}$/;

/** 22 characters of base64 have 132 bits, and so many hexadecimal digits 88. */
const leastCharacters = 22;
/** A random token has more: in one of 10 million of ours, 32 hexadecimal digits, there are fewer. */
const leastDifferent = 8;

/** What a token has to be to vouch, for messages. */
export const vouchingToken = `a random token of at least ${leastCharacters} characters`;

/** Whether a token looks as if nobody could find it by trying. */
export function canVouch(token: string): boolean {
  const characters = [...token];
  return characters.length >= leastCharacters && new Set(characters).size >= leastDifferent;
}

/**
 * What shows, to whoever asked with a nonce, that the owner of a certificate knows the token: HMAC-SHA-256 of nonce and
 * fingerprint, in hex, under a key made of the token for nothing else (HKDF, RFC 5869).
 */
export function proofOf(token: string, nonce: string, fingerprint: string): string {
  const key = new Uint8Array(hkdfSync('sha256', token, '', 'lockstep certificate', 32));
  return createHmac('sha256', key).update(`${nonce} ${fingerprint}`).digest('hex');
}

/** Compares in a time that does not depend on where a proof is wrong. */
export function isProof(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
