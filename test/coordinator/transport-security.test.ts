import t from 'tap';
import { chooseTransportSecurity } from '../../coordinator/transport-security.ts';
import { refusal } from '../helpers/refusal.ts';

const none = { onLoopback: false, insecure: false, cert: null, key: null };
const files = { cert: 'c.pem', key: 'k.pem' };

t.test('beyond loopback there is TLS, unless the user says otherwise', (t) => {
  const kind = (host: string, flags = {}) => chooseTransportSecurity({ ...none, host, ...flags }).kind;
  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    t.equal(kind(host), 'plain');
    t.equal(kind(host, { insecure: true }), 'plain');
    t.equal(kind(host, files), 'files');
    t.equal(kind(host, { onLoopback: true }), 'own');
    t.equal(kind(host, { onLoopback: true, insecure: true }), 'plain');
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.7', 'trainer.example']) {
    t.equal(kind(host), 'own');
    t.equal(kind(host, { insecure: true }), 'plain');
    t.equal(kind(host, files), 'files');
  }
  t.end();
});

t.test('flags that contradict each other are refused', (t) => {
  const choose = (flags: object) => () => chooseTransportSecurity({ ...none, host: '::', ...flags });
  t.match(refusal(choose({ cert: 'c' })), /^--cert: got no --key, expected both/);
  t.match(refusal(choose({ key: 'k' })), /^--key: got no --cert, expected both/);
  t.match(refusal(choose({ ...files, insecure: true })), /^--insecure: got --cert too, expected one of them/);
  t.end();
});
