/** The coordinator's certificate, judged by Node's own reader and by OpenSSL where it is installed. */
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadIdentity, ownIdentity } from '../../coordinator/certificate.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';
import { rejection } from '../helpers/rejection.ts';

const now = new Date('2026-03-01T12:00:00Z');

t.test('the first start makes a certificate, later ones find it', async (t) => {
  const folder = join(t.testdir(), 'state', 'tls');
  const first = await ownIdentity(folder, ['trainer.example', '10.1.2.3'], now);
  t.same(readdirSync(folder), ['coordinator.pem']);
  if (process.platform !== 'win32') t.equal(statSync(join(folder, 'coordinator.pem')).mode & 0o777, 0o600);
  const certificate = new X509Certificate(first.cert);
  t.equal(first.fingerprint, `sha256:${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`);
  t.ok(certificate.verify(certificate.publicKey), 'signed by itself');
  t.ok(certificate.checkPrivateKey(createPrivateKey(first.key)));
  t.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  for (const name of ['localhost', 'trainer.example']) t.equal(certificate.checkHost(name), name);
  for (const address of ['127.0.0.1', '::1', '10.1.2.3']) t.equal(certificate.checkIP(address), address);
  t.equal(new Date(certificate.validTo).toISOString(), '2036-03-01T12:00:00.000Z', 'ten years');
  t.same(await ownIdentity(folder, [], now), first, 'and the same one again');
  t.not((await newIdentity()).fingerprint, first.fingerprint);
});

t.test('OpenSSL reads it and has the same fingerprint', async (t) => {
  if (!hasFile(t, '/usr/bin/openssl')) return;
  const { cert, fingerprint } = await newIdentity();
  const command = ['x509', '-noout', '-fingerprint', '-sha256'];
  const { stdout } = spawnSync('/usr/bin/openssl', command, { input: cert, encoding: 'utf8' });
  t.equal(stdout.trim().replace(/^.*=/, '').replaceAll(':', '').toLowerCase(), fingerprint.slice(7));
});

t.test('a broken, expired or early one is refused with what to do', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'coordinator.pem');
  await ownIdentity(folder, [], now);
  const whole = readFileSync(path, 'utf8');
  const advice = 'remove the file, and a new one is made';
  const at = async (date: string) => rejection(ownIdentity(folder, [], new Date(date)), 'DATA');
  t.match(
    await at('2036-03-02'),
    /coordinator\.pem": the certificate was valid until Mar {2}1 12:00:00 2036 GMT; /,
  );
  t.match(
    await at('2026-02-01'),
    /: the certificate is valid only from .*, check the clock; remove the file/,
  );
  const start = whole.indexOf('-----BEGIN CERT');
  const damaged: Record<string, [string, RegExp]> = {
    'an empty file': ['', /: expected a certificate \(/],
    'a key alone': [whole.slice(0, start), /: expected a certificate \(/],
    'a certificate alone': [whole.slice(start), /: expected a key \(/],
    'a cut file': [whole.slice(0, -100), /: expected a certificate \(/],
    'the key of another': [
      (await newIdentity()).key.slice(0, start) + whole.slice(start),
      /: got another key than/,
    ],
  };
  for (const [what, [text, says]] of Object.entries(damaged)) {
    writeFileSync(path, text);
    const message = await rejection(ownIdentity(folder, [], now), 'DATA');
    t.match(message, says, what);
    t.match(message, advice);
    t.match(message, path);
    t.equal(readFileSync(path, 'utf8'), text, 'it is not touched');
  }
});

t.test('a folder that cannot be written is refused', async (t) => {
  const folder = t.testdir({ file: '' });
  t.match(await rejection(ownIdentity(join(folder, 'file', 'tls')), 'OUTPUT'), /^cannot write /);
});

t.test('files of the user’s are loaded, and refused by name', async (t) => {
  const [one, two] = [await newIdentity(), await newIdentity()];
  const parts = (pem: string) => pem.split(/(?=-----BEGIN CERT)/);
  const folder = t.testdir({
    'c.pem': parts(one.cert)[1],
    'k.pem': parts(one.key)[0],
    'k2.pem': parts(two.key)[0],
  });
  const at = (cert: string, key: string) => ({ cert: join(folder, cert), key: join(folder, key) });
  t.equal(loadIdentity(at('c.pem', 'k.pem')).fingerprint, one.fingerprint);
  const said = (cert: string, key: string) => refusal(() => loadIdentity(at(cert, key)), 'DATA');
  t.match(
    said('c.pem', 'k2.pem'),
    /k2\.pem": got another key than that of the certificate in ".*c\.pem"; put the/,
  );
  t.match(said('none.pem', 'k.pem'), /none\.pem": expected a file that can be read \(ENOENT/);
  t.match(said('c.pem', 'none.pem'), /none\.pem": expected a file that can be read \(ENOENT/);
  t.match(said('k.pem', 'k.pem'), /k\.pem": expected a certificate/);
  t.match(said('c.pem', 'c.pem'), /c\.pem": expected a key/);
});
