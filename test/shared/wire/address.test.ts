import t from 'tap';
import { addressText, hostOf, isLoopback, parseHost, parseListen } from '../../../shared/wire/address.ts';
import { refusal } from '../../helpers/refusal.ts';

t.test('HOST:PORT is read, IPv6 in brackets', (t) => {
  t.same(parseListen('0.0.0.0:7077'), { host: '0.0.0.0', port: 7077 });
  t.same(parseListen('[::]:7077'), { host: '::', port: 7077 });
  t.same(parseListen('[::ffff:10.0.0.1]:1'), { host: '::ffff:10.0.0.1', port: 1 });
  t.same(parseListen('trainer.example:0'), { host: 'trainer.example', port: 0 });
  t.same(parseListen('localhost:65535'), { host: 'localhost', port: 65_535 });
  t.end();
});

t.test('what is no HOST:PORT is refused', (t) => {
  const wrong = [
    '',
    '7077',
    ':7077',
    'a:',
    'a:b',
    'a:-1',
    'a:65536',
    'a:1.5',
    'a:1e3',
    '::1:7077',
    '[::1]',
    '[a]:1',
  ];
  for (const text of [
    ...wrong,
    '[::g]:1',
    'a b:1',
    'http://a:1',
    'a/b:1',
    'u@a:1',
    'a:1 ',
    '[1.2.3.4]:1',
    'a:１',
  ]) {
    t.equal(
      refusal(() => parseListen(text)),
      `--listen: got ${JSON.stringify(text)}, expected HOST:PORT, like 0.0.0.0:7077 or [::]:7077`,
    );
  }
  t.end();
});

t.test('the host of a URL has no brackets', (t) => {
  t.equal(hostOf(new URL('ws://[::1]:7077')), '::1');
  t.equal(hostOf(new URL('wss://trainer.example:7077')), 'trainer.example');
  t.end();
});

t.test('loopback is what never leaves the machine', (t) => {
  const inside = [
    '127.0.0.1',
    '127.255.0.3',
    '::1',
    '0:0:0:0:0:0:0:1',
    'localhost',
    'LocalHost',
    'a.localhost',
  ];
  for (const host of [...inside, '::ffff:127.0.0.1']) t.ok(isLoopback(host), host);
  const outside = [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost.example',
    'mylocalhost',
    '',
    '127.1',
    'fe80::1',
  ];
  for (const host of [...outside, '127.0.0.1.example', '::ffff:10.0.0.1']) t.notOk(isLoopback(host), host);
  t.end();
});

t.test('addresses are written as people know them', (t) => {
  t.equal(addressText('10.0.0.7', 1), '10.0.0.7:1');
  t.equal(addressText('::ffff:10.0.0.7', 1), '10.0.0.7:1');
  t.equal(addressText('fe80::1', 1), '[fe80::1]:1');
  t.equal(addressText('trainer.example', 1), 'trainer.example:1');
  t.end();
});

t.test('a host is a name or an address without a port', (t) => {
  const hosts = { 'Train-0.train': 'train-0.train', '10.0.0.7': '10.0.0.7', 'FD00::07': 'fd00::7', vm: 'vm' };
  for (const [text, host] of Object.entries(hosts)) t.equal(parseHost(text), host, text);
  for (const text of [
    '',
    ' a',
    'a:1',
    'a:',
    '[::1]:1',
    'http://a',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'a\\b',
    'a\nb',
  ])
    t.equal(parseHost(text), null, JSON.stringify(text));
  t.end();
});
