/** Who may come in, decided from the headers of a request alone. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { quoted } from '../shared/errors.ts';
import { hostOf, isLoopback, plainHost } from '../shared/wire/address.ts';
import { bearerOf } from '../shared/wire/credentials.ts';

/** Why not: the status and the line of the answer. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 431;
  readonly line: string;
}

/**
 * Checks `Host` and `Origin`, so that no page of a stranger's that runs in a browser here can speak to us: neither
 * under its own name (DNS rebinding changes what a name means, never the header) nor under ours.
 * @param at the address that the connection came to
 * @param names what this machine is called, in lower case; `*.example.org` is any name one level below
 */
export function refuseSite(
  headers: IncomingHttpHeaders,
  at: string,
  names: ReadonlySet<string>,
): Refusal | null {
  const { host = '', origin } = headers;
  const url = parsed(`http://${host}`);
  if (url === null || url.host === '' || /[/@?#\\]/.test(host))
    return { status: 400, line: `Host: got ${quoted(host)}, expected a name or an address of this machine` };
  const hostname = hostOf(url);
  const isHere =
    isLoopback(hostname) ||
    names.has(hostname) ||
    names.has(hostname.replace(/^[^.]+/, '*')) ||
    (isIP(hostname) !== 0 && sameAddress(hostname, plainHost(at)));
  if (!isHere)
    return {
      status: 403,
      line: `Host: got ${quoted(host)}, expected a name or an address of this machine; use one, or start the coordinator with --host-name ${hostname}`,
    };
  if (origin !== undefined && parsed(origin)?.host !== url.host)
    return { status: 403, line: `Origin: got ${quoted(origin)}, expected none or ${quoted(host)}` };
  return null;
}

function parsed(url: string): URL | null {
  return URL.canParse(url) ? new URL(url) : null;
}

/** IPv6 can be written in several ways; a URL knows one of them. */
function sameAddress(a: string, b: string): boolean {
  if (isIP(a) !== isIP(b)) return false;
  return isIP(a) === 4 ? a === b : new URL(`http://[${a}]`).host === new URL(`http://[${b}]`).host;
}

/** Lets in who looks at a run: made of the workers' token, which it does not tell. */
export function viewingTokenOf(token: string): string {
  return createHmac('sha256', token).update('lockstep dashboard').digest('hex').slice(0, 32);
}

/** Checks that the token is one of these, in a time that does not depend on where it is wrong. */
export function refuseToken(headers: IncomingHttpHeaders, ...tokens: readonly string[]): Refusal | null {
  const { authorization } = headers;
  if (authorization === undefined)
    return { status: 401, line: 'no token; set LOCKSTEP_TOKEN to the one that the coordinator printed' };
  const given = hashed(authorization);
  const right = tokens.filter((token) => timingSafeEqual(given, hashed(bearerOf(token))));
  if (right.length > 0) return null;
  return { status: 401, line: 'wrong token; set LOCKSTEP_TOKEN to the one that the coordinator printed' };
}

function hashed(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
