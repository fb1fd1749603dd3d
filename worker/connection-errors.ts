/** Why a worker did not get through to a coordinator, said so that its user knows what to do. */
import { LockstepError, oneLine, quoted, reasonOf } from '../shared/errors.ts';
import { vouchingToken } from '../shared/wire/vouching.ts';
import { UpgradeRefused } from '../shared/wire/websocket.ts';

/** The time for opening a connection is over. */
export class TooLate extends Error {
  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
  }
}

/** A certificate that is not the one to trust. */
export class NotTrusted extends Error {
  /** Fingerprints, where one was expected. */
  readonly fingerprints: { readonly got: string; readonly expected: string } | null;

  constructor(why: string, fingerprints: { got: string; expected: string } | null = null) {
    super(why);
    this.fingerprints = fingerprints;
  }
}

/** Whoever shows a certificate could not show that it knows the token. */
export class NotVouched extends Error {}

const isThere = 'is the coordinator running, and is this its address?';

/** Codes of the system after which it may go better another time. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: `nobody listens there; ${isThere}`,
  ENOTFOUND: 'nobody knows that name; check it',
  EAI_AGAIN: 'that name cannot be looked up now; check the name and the network',
  EHOSTUNREACH: 'no way leads there; check the address and the network',
  ENETUNREACH: 'no way leads there; check the address and the network',
  ETIMEDOUT: `no answer; ${isThere}`,
  ECONNRESET: `the connection was cut before an answer; ${isThere}`,
  EPIPE: `the connection was cut before an answer; ${isThere}`,
};

/** Any error of opening a connection as CONNECTION, after which coming back makes sense, or REFUSED. */
export function explain(address: string, cause: unknown): LockstepError {
  const [code, why] = reasonFor(cause);
  return new LockstepError(code, `coordinator ${address}: ${why}`, { cause });
}

function reasonFor(cause: unknown): ['CONNECTION' | 'REFUSED', string] {
  if (cause instanceof TooLate) return ['CONNECTION', `${cause.message}; ${isThere}`];
  if (cause instanceof NotTrusted) return ['REFUSED', mistrust(cause)];
  if (cause instanceof NotVouched)
    return ['REFUSED', `its certificate is not trusted here: ${cause.message}`];
  if (cause instanceof UpgradeRefused) return ['REFUSED', refusal(cause)];
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (unreachable[code] !== undefined) return ['CONNECTION', unreachable[code]];
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return ['REFUSED', 'what listens there does not speak TLS; use ws:// if it listens in the open'];
  if (code.startsWith('HPE_') || /Sec-WebSocket|subprotocol/.test(reasonOf(cause)))
    return [
      'REFUSED',
      `no coordinator of Lockstep listens there (${reasonOf(cause)}); check address and port`,
    ];
  return ['CONNECTION', `${reasonOf(cause)}; ${isThere}`];
}

function mistrust({ message, fingerprints }: NotTrusted): string {
  if (fingerprints === null)
    return (
      `its certificate is not trusted here (${message}); pass --fingerprint as the coordinator printed it, ` +
      `or give both of them ${vouchingToken}`
    );
  const { got, expected } = fingerprints;
  return `${message}: got ${got}, expected ${expected}; nothing was sent; copy the fingerprint anew from where the coordinator runs`;
}

function refusal({ status, isOurs, message }: UpgradeRefused): string {
  if (isOurs) return `refused: ${oneLine(message).slice(0, 300)}`;
  return `got HTTP ${status} ${quoted(message)}, expected a coordinator of Lockstep; check address and port`;
}
