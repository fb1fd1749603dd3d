/** From flags to the page that shows a run: whether there is one, where, and for whom. */
import { randomBytes } from 'node:crypto';
import { viewingTokenOf } from '../../coordinator/admission.ts';
import { quoted, usageError } from '../../shared/errors.ts';
import { addressText, isLoopback, type ListenAddress, parseListen } from '../../shared/wire/address.ts';
import { reachableHost } from '../invitation.ts';
import type { FlagValues } from './flag-values.ts';
import { readHostNames } from './host-names.ts';
import type { Listening } from './listening.ts';
import { noSecurity, readSecurity, type Security } from './security.ts';
import { readToken } from './token.ts';

const ownHost = '127.0.0.1';
const defaultPort = 7078;

/** Flags of a coordinator that are for a page beyond this machine, too. */
const sharedFlags = ['token', 'cert', 'key', 'insecure', 'host-name'];

export interface Watching extends Security {
  readonly listen: ListenAddress;
  /** The flag that says where. */
  readonly label: string;
  /** True where no port was asked for. */
  readonly orAnyPort: boolean;
  readonly names: readonly string[];
  /** Of workers, of which that for who looks is made; null where nobody else can look. */
  readonly token: string | null;
  /** True if nobody knows it who is not told. */
  readonly isTokenNew: boolean;
}

/**
 * Reads where the page is to be; null for none.
 * @param listening where workers come in, if they may
 * @param keptToken the one that the run has already, if it goes on
 * @param isDry that nobody will look: no certificate is made for them, and no token is missed
 * @throws LockstepError (USAGE, DATA, OUTPUT)
 */
export async function readWatching(
  flags: FlagValues,
  command: 'train' | 'coordinator',
  listening: Listening | null,
  keptToken: string | null,
  isDry = false,
): Promise<Watching | null> {
  if (isOff(flags) || (command === 'train' && !flags.has('dashboard'))) return null;
  const asked = askedAddress(flags);
  const listen = asked ?? { host: ownHost, port: portAfter(listening) };
  const names = readHostNames(flags);
  const common = { listen, label: flags.label('dashboard'), orAnyPort: asked === null, names };
  if (isLoopback(listen.host)) {
    return { ...common, ...noSecurity, token: null, isTokenNew: false };
  }
  const own = readToken(flags);
  if (own === null && keptToken === null && flags.isOn('quiet') && !isDry) {
    throw usageError(
      `${flags.label('quiet')}: the token that the dashboard needs would not be shown, expected one of yours in LOCKSTEP_TOKEN`,
    );
  }
  return {
    ...common,
    ...(isDry ? noSecurity : await readSecurity(flags, listen, names)),
    token: own ?? keptToken ?? randomBytes(16).toString('hex'),
    isTokenNew: own === null,
  };
}

/** Whether a flag that is for workers means something without any, because the page is for other machines, too. */
export function isForDashboard(flags: FlagValues, name: string): boolean {
  if (!sharedFlags.includes(name) || !flags.has('dashboard') || isOff(flags)) return false;
  const asked = askedAddress(flags);
  return asked !== null && !isLoopback(asked.host);
}

/** The link to open in a browser. Who has it may look, and cannot come in as a worker. */
export function linkOf({ listen, tls, token }: Watching, port: number): string {
  const link = `${tls === null ? 'http' : 'https'}://${addressText(reachableHost(listen.host), port)}/`;
  if (token === null) return link;
  return `${link}#token=${viewingTokenOf(token)}`;
}

/** @throws LockstepError (USAGE) when both flags were given in the same place */
function isOff(flags: FlagValues): boolean {
  if (!flags.isOn('no-dashboard')) return false;
  if (!flags.has('dashboard')) return true;
  const [on, off] = ['dashboard', 'no-dashboard'].map((name) => flags.isOnCommandLine(name));
  if (on !== off) return off;
  throw usageError(
    `${flags.label('no-dashboard')}: got it together with ${flags.label('dashboard')}, expected one of the two`,
  );
}

/** Null where no port was asked for. @throws LockstepError (USAGE) */
function askedAddress(flags: FlagValues): ListenAddress | null {
  const text = flags.text('dashboard') ?? '';
  if (['', 'true'].includes(text)) return null;
  const label = flags.label('dashboard');
  if (text.includes(':')) return parseListen(text, label);
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return { host: ownHost, port };
  throw usageError(`${label}: got ${quoted(text)}, expected a port or HOST:PORT, like 7078 or 0.0.0.0:7078`);
}

function portAfter(listening: Listening | null): number {
  if (listening === null) return defaultPort;
  const { port } = listening.listen;
  return port === 0 || port === 65_535 ? 0 : port + 1;
}
