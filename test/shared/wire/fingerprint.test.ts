import t from 'tap';
import { fingerprintOf, parseFingerprint } from '../../../shared/wire/fingerprint.ts';
import { refusal } from '../../helpers/refusal.ts';

t.test('a fingerprint is the SHA-256 in hex, and is read however it is written', (t) => {
  // FIPS 180-2, appendix B.1
  const abc = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  t.equal(fingerprintOf(Buffer.from('abc')), abc);
  t.equal(parseFingerprint(abc), abc);
  t.equal(parseFingerprint(`SHA256:${abc.slice(7).toUpperCase().match(/../g)?.join(':')}`), abc);
  t.end();
});

t.test('what is none is refused', (t) => {
  for (const text of [
    '',
    'sha256:',
    `sha256:${'0'.repeat(63)}`,
    `sha1:${'0'.repeat(64)}`,
    '0'.repeat(64),
    `sha256:${'g'.repeat(64)}`,
  ])
    t.match(
      refusal(() => parseFingerprint(text)),
      /^--fingerprint: got ".*", expected sha256: and 64 hexadecimal digits/,
    );
  t.end();
});
