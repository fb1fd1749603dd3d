/**
 * How a token vouches for a certificate, where no fingerprint was told: whoever shows the certificate also shows that it
 * knows the token, for this very certificate and for a number that was never asked before. Somebody in between has
 * another certificate, for which nobody who knows the token would say so.
 *
 * The answer lets anybody who asks try tokens at home, as often as they like. So only a token vouches that looks random,
 * and every try is made dear, should one only look so.
 */
import { createHmac, scryptSync, timingSafeEqual } from 'node:crypto';

export const vouchingPath = '/vouch';

/** The header of the question: 32 random bytes in hex. */
export const nonceHeader = 'lockstep-nonce';
export const noncePattern = /^[0-9a-f]{64}$/;

/** What a token has to be to vouch, for messages. */
export const vouchingToken = 'a random token, as openssl rand -hex 16 makes';

/** 128 bits, in one case of letters. */
const hex = /^(?:[0-9a-f]{32,}|[0-9A-F]{32,})$/;
/** 132 bits, in either alphabet of RFC 4648. */
const base64 = /^[\w+/-]{22,}={0,2}$/;
/** Fewer are in one of 10 million of ours, 32 hexadecimal digits. */
const leastDifferent = 8;

/**
 * Whether a token looks as if nobody could find it by trying: like random bytes in hex or base64. What people think of,
 * words and rows of keys, does not; of random ones one in a million is refused in hex, and one in some hundreds in base64.
 */
export function canVouch(token: string): boolean {
  if (new Set(token).size < leastDifferent) return false;
  // Eight digits in hex, or six characters in base64, come twice in none of 10 million.
  if (hex.test(token)) return /\d/.test(token) && /[a-f]/i.test(token) && !/(.{8}).*\1/.test(token);
  return base64.test(token) && isMixed(token.replace(/[+/_=-]/g, '')) && !/(.{6}).*\1/.test(token);
}

/** Whether both cases occur, and kinds change often, not from word to word; by chance they do in 63 of 100 places. */
function isMixed(text: string): boolean {
  const changes = text.match(/[a-z]+|[A-Z]+|\d+/g)?.length ?? 0;
  return /[a-z]/.test(text) && /[A-Z]/.test(text) && changes * 3 >= text.length;
}

/** What is made of a token to prove that one knows it, and for nothing else. */
export class VouchingKey {
  readonly #token: string;
  #key: Buffer | null = null;

  constructor(token: string) {
    this.#token = token;
  }

  /**
   * What shows, to whoever asked with a nonce, that the owner of a certificate knows the token: HMAC-SHA-256 of nonce and
   * fingerprint, in hex, under a key of scrypt (RFC 7914), which takes a tenth of a second and 32 MiB the first time.
   */
  proofOf(nonce: string, fingerprint: string): string {
    this.#key ??= scryptSync(this.#token, 'lockstep certificate', 32, {
      N: 2 ** 15,
      r: 8,
      p: 1,
      maxmem: 2 ** 26,
    });
    return createHmac('sha256', this.#key).update(`${nonce} ${fingerprint}`).digest('hex');
  }
}

/** Compares in a time that does not depend on where a proof is wrong; what was given may be anything. */
export function isProof(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
