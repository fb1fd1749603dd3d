/** Where a coordinator listens and a worker knocks, as people write it. */
import { BlockList, isIP, type Socket } from 'node:net';
import { quoted, usageError } from '../errors.ts';

export interface ListenAddress {
  /** A name or a number; IPv6 without brackets. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

/**
 * Reads `HOST:PORT`, IPv6 as `[::]:7077`.
 * @param where what the text is, for the message
 * @throws LockstepError (USAGE)
 */
export function parseListen(text: string, where = '--listen'): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  const isRight = match !== null && port <= 65_535 && (match[1] === undefined || isIP(host) === 6);
  if (isRight) return { host, port };
  throw usageError(`${where}: got ${quoted(text)}, expected HOST:PORT, like 0.0.0.0:7077 or [::]:7077`);
}

/** A name or an address without a port, as a URL has it and IPv6 without brackets; null for anything else. */
export function parseHost(text: string): string | null {
  const url = `http://${isIP(text) === 6 ? `[${text}]` : text}`;
  if (!/^[^\s/?#@\\]+$/.test(text) || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  return parsed.port === '' && !text.endsWith(':') ? hostOf(parsed) : null;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether what is sent to a host never leaves the machine. Names other than `localhost` could mean anything. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return /^(.+\.)?localhost$/i.test(host);
  return loopback.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

/** `10.0.0.7:51234`, `[::1]:51234`. */
export function addressText(host: string, port: number): string {
  const plain = plainHost(host);
  return isIP(plain) === 6 ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** The other end of a socket; of one that is gone already, a question mark. */
export function remoteAddress({ remoteAddress: host, remotePort: port }: Socket): string {
  return host === undefined || port === undefined ? '?' : addressText(host, port);
}

/** The host of a URL; IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** An IPv4 address as it is usually written, where a socket for IPv6 takes both. */
export function plainHost(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.)/i, '');
}
