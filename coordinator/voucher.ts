/** Shows strangers that ask, and that know the token, that the certificate they see is the coordinator's. */
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { fingerprintOf } from '../shared/wire/fingerprint.ts';
import { canVouch, nonceHeader, noncePattern, VouchingKey, vouchingToken } from '../shared/wire/vouching.ts';
import type { Refusal } from './admission.ts';

export class Voucher {
  /** Null where the token could be guessed. */
  readonly #key: VouchingKey | null;
  readonly #fingerprint: string;

  /** @param cert in PEM; if there are several, the first is what is shown */
  constructor(token: string, cert: string) {
    this.#key = canVouch(token) ? new VouchingKey(token) : null;
    this.#fingerprint = fingerprintOf(new X509Certificate(cert).raw);
  }

  /** The proof for a request, or why there is none. */
  answer({ method, headers }: IncomingMessage): string | Refusal {
    const nonce = headers[nonceHeader];
    if (method !== 'GET' || typeof nonce !== 'string' || !noncePattern.test(nonce))
      return { status: 400, line: `expected GET with 64 hexadecimal digits in ${nonceHeader}` };
    if (this.#key === null)
      return {
        status: 403,
        line: `the coordinator's token could be guessed, and vouches for nothing; pass --fingerprint, or use ${vouchingToken}`,
      };
    return this.#key.proofOf(nonce, this.#fingerprint);
  }
}
