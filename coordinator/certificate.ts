/** The certificate that workers meet: one from files, or the coordinator's own, made once and kept. */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { shownPath } from '../shared/data/regular-file.ts';
import { dataError, reasonOf } from '../shared/errors.ts';
import { fingerprintOf } from '../shared/wire/fingerprint.ts';
import { writeDurably } from './durable-file.ts';

export interface Identity {
  /** PEM texts, as `openDoor` takes them. */
  readonly cert: string;
  readonly key: string;
  /** What a worker is told to trust, `sha256:…`. */
  readonly fingerprint: string;
}

const validYears = 10;

/** Key and certificate in one file, so that there are never a new one and an old one side by side. */
const fileName = 'coordinator.pem';

/**
 * Loads the coordinator's own certificate from a folder, and makes one when there is none. Its names do not matter to
 * workers that know its fingerprint; browsers look at them.
 * @param names of this machine, besides its own name and addresses
 * @throws LockstepError (DATA) for a broken or expired one, (OUTPUT) when it cannot be written
 */
export async function ownIdentity(
  folder: string,
  names: readonly string[] = [],
  now = new Date(),
): Promise<Identity> {
  const path = join(folder, fileName);
  if (!existsSync(path)) writeDurably(path, [await makePem(names, now)], 0o600);
  return identityOf({ cert: path, key: path }, now, 'remove the file, and a new one is made');
}

/**
 * Loads a certificate, with others that vouch for it if there are any, and its key from PEM files.
 * @throws LockstepError (DATA)
 */
export function loadIdentity(files: { cert: string; key: string }, now = new Date()): Identity {
  return identityOf(files, now, 'put the right files there');
}

function identityOf(paths: { cert: string; key: string }, now: Date, whatToDo: string): Identity {
  const cert = readPem(paths.cert, whatToDo);
  const key = readPem(paths.key, whatToDo);
  const certificate = parsed(paths.cert, 'a certificate', whatToDo, () => new X509Certificate(cert));
  const privateKey = parsed(paths.key, 'a key', whatToDo, () => createPrivateKey(key));
  const refuse = (path: string, why: string) => dataError(`${shownPath(path)}: ${why}; ${whatToDo}`);
  if (!certificate.checkPrivateKey(privateKey))
    throw refuse(paths.key, `got another key than that of the certificate in ${shownPath(paths.cert)}`);
  if (Date.parse(certificate.validFrom) > now.getTime())
    throw refuse(paths.cert, `the certificate is valid only from ${certificate.validFrom}, check the clock`);
  if (Date.parse(certificate.validTo) < now.getTime())
    throw refuse(paths.cert, `the certificate was valid until ${certificate.validTo}`);
  return { cert, key, fingerprint: fingerprintOf(certificate.raw) };
}

/** The names, in lower case, that a certificate in PEM is for; one may begin with `*.`. */
export function dnsNamesOf(pem: string): string[] {
  const { subjectAltName = '' } = new X509Certificate(pem);
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([^",]+)/g)].map(([, name]) => name.toLowerCase());
}

function readPem(path: string, whatToDo: string): string {
  return parsed(path, 'a file that can be read', whatToDo, () => readFileSync(path, 'utf8'));
}

function parsed<Result>(path: string, what: string, whatToDo: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (cause) {
    throw dataError(`${shownPath(path)}: expected ${what} (${reasonOf(cause)}); ${whatToDo}`, cause);
  }
}

/** Makes a key (ECDSA, P-256) and a certificate that it signs itself. The library is loaded for this alone. */
async function makePem(names: readonly string[], now: Date): Promise<string> {
  await import('reflect-metadata'); // which the library needs and does not bring
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notAfter = new Date(now);
  notAfter.setFullYear(notAfter.getFullYear() + validYears);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: `01${randomBytes(15).toString('hex')}`, // positive, and not longer than 20 bytes (RFC 5280)
    name: 'CN=Lockstep coordinator',
    notBefore: new Date(now.getTime() - 24 * 3_600_000), // workers' clocks may be behind
    notAfter,
    signingAlgorithm: algorithm,
    keys,
    extensions: [await subjectNames(names)],
  });
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = key.match(/.{1,64}/g)?.join('\n');
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n${certificate.toString('pem')}\n`;
}

async function subjectNames(names: readonly string[]) {
  const { SubjectAlternativeNameExtension } = await import('@peculiar/x509');
  const addresses = Object.values(networkInterfaces()).flatMap(
    (all) => all?.map(({ address }) => address) ?? [],
  );
  const all = new Set(['localhost', '127.0.0.1', '::1', hostname(), ...addresses, ...names]);
  return new SubjectAlternativeNameExtension(
    [...all].map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
  );
}
