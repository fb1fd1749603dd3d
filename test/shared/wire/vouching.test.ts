import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { canVouch, isProof, noncePattern, VouchingKey } from '../../../shared/wire/vouching.ts';

const token = 'a3f1c09e5b7d42688e1f6c0d9b2a4735';
const nonce = 'a'.repeat(64);
const fingerprint = `sha256:${'b'.repeat(64)}`;

const proofOf = (secret: string, ...what: [nonce: string, fingerprint: string]) =>
  new VouchingKey(secret).proofOf(...what);

/** By another implementation: hashlib.scrypt of Python, with n=2**15, r=8, p=1. */
const scrypted = 'f61ace24062834d47bea433e93102f2bee1f03a9f0dd592a7d6f139c65d7dfcc';

t.test('a proof is HMAC-SHA-256 of nonce and fingerprint under a key of the token', (t) => {
  const expected = createHmac('sha256', Buffer.from(scrypted, 'hex'));
  t.equal(proofOf(token, nonce, fingerprint), expected.update(`${nonce} ${fingerprint}`).digest('hex'));
  t.match(proofOf(token, nonce, fingerprint), /^[0-9a-f]{64}$/);
  t.end();
});

t.test('a proof is good for one token, one nonce and one certificate', (t) => {
  const proof = proofOf(token, nonce, fingerprint);
  t.ok(isProof(proof, proofOf(token, nonce, fingerprint)));
  const others = [
    proofOf(token.replace('0', '1'), nonce, fingerprint),
    proofOf(token, nonce.replace('a', 'b'), fingerprint),
    proofOf(token, nonce, fingerprint.replace('b', 'a')),
    proof.slice(1),
    `${proof}0`,
    proof.toUpperCase(),
    '',
    `${'0'.repeat(63)}\xff`,
  ];
  for (const other of others) t.notOk(isProof(other, proof), other);
  t.end();
});

t.test('a token vouches that nobody finds by trying', (t) => {
  const strong = [
    token,
    token.toUpperCase(),
    'x4Jq0Vb7sT9mKp2RzWy6Lf',
    'q83vEjRWeJq83vwBI0VniQ==',
    'Zk_3-tQ9bN0xWc7LrY2vHs',
  ];
  for (const good of strong) t.ok(canVouch(good), good);
  const weak = [
    ...['', 'changeme', 'password', 'x4Jq0Vb7sT9mKp2RzWy6L', 'a'.repeat(256), 'abcdefg'.repeat(9)],
    ...['changeme-changeme-changeme', 'lockstep-lockstep-lockstep', 'correct-horse-battery-staple'],
    ...['Correct-Horse-Battery-Staple-2024', 'passwordpassword12345678', 'PasswordPassword12345678'],
    ...['0123456789abcdef0123456789abcdef', '3'.repeat(64), '31415926535897932384626433832795'],
    ...['deadbeef'.repeat(4), token.slice(1), 'qwertyuiopasdfghjklzxcvbnm1234567890', `${token} `],
    `${'öäüß'.repeat(4)}abcdefgh`,
  ];
  for (const bad of weak) t.notOk(canVouch(bad), bad);
  for (let i = 0; i < 10_000; i++) {
    if (!canVouch(randomBytes(16).toString('hex'))) t.fail('a token of ours');
  }
  t.end();
});

t.test('a nonce is 32 bytes in hex', (t) => {
  t.match(nonce, noncePattern);
  for (const other of ['', nonce.slice(1), `${nonce}a`, `${nonce}\n`, nonce.toUpperCase()])
    t.notMatch(other, noncePattern);
  t.end();
});
