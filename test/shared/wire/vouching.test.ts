import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { canVouch, isProof, noncePattern, proofOf } from '../../../shared/wire/vouching.ts';

const token = '0123456789abcdef0123456789abcdef';
const nonce = 'a'.repeat(64);
const fingerprint = `sha256:${'b'.repeat(64)}`;

/** HKDF with an empty salt and a single block, from RFC 5869 and HMAC alone. */
function hkdf(secret: string, info: string): Buffer {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(secret).digest();
  return createHmac('sha256', extracted).update(info).update(Uint8Array.of(1)).digest();
}

t.test('a proof is HMAC-SHA-256 of nonce and fingerprint under a key of the token', (t) => {
  const expected = createHmac('sha256', hkdf(token, 'lockstep certificate'));
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
  ];
  for (const other of others) t.notOk(isProof(other, proof), other);
  t.end();
});

t.test('a token vouches that nobody finds by trying', (t) => {
  const strong = [token, 'x4Jq0Vb7sT9mKp2RzWy6Lf', `${'öäüß'.repeat(4)}abcdefgh`];
  for (const good of strong) t.ok(canVouch(good), good);
  for (const weak of ['', 'changeme', 'x4Jq0Vb7sT9mKp2RzWy6L', 'a'.repeat(256), 'abcdefg'.repeat(9)])
    t.notOk(canVouch(weak), weak);
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
