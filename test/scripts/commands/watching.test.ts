/** From flags to the page that shows a run. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { runFlags, trainListenFlags } from '../../../scripts/commands/flags.ts';
import { readListening } from '../../../scripts/commands/listening.ts';
import { isForDashboard, linkOf, readWatching } from '../../../scripts/commands/watching.ts';

process.env.XDG_STATE_HOME = t.testdir();

const values = (parsed: Record<string, unknown>, environment: Record<string, string> = {}) =>
  new FlagValues([...runFlags, ...trainListenFlags], parsed, environment);

/** What is decided with these flags. */
async function watching(
  command: 'train' | 'coordinator',
  parsed: Record<string, unknown>,
  { environment = {}, kept = null }: { environment?: Record<string, string>; kept?: string | null } = {},
) {
  const flags = values(parsed, environment);
  const listening = await readListening(flags, command, 0, kept);
  return readWatching(flags, command, listening, kept);
}

t.test('train has none unless it is asked for, a coordinator has one', async (t) => {
  t.equal(await watching('train', {}), null);
  t.equal(await watching('train', { listen: '127.0.0.1:9000' }), null);
  const loopback = { token: null, tls: null, isTokenNew: false, isInTheOpen: false };
  const at = (port: number) => ({ ...loopback, listen: { host: '127.0.0.1', port }, orAnyPort: true });
  t.match(await watching('train', { dashboard: '' }), at(7078));
  t.match(await watching('train', {}, { environment: { LOCKSTEP_DASHBOARD: 'true' } }), at(7078));
  t.match(await watching('train', { dashboard: '', listen: '127.0.0.1:9000' }), at(9001));
  t.match(await watching('coordinator', {}), at(7078));
  t.match(await watching('coordinator', { listen: '127.0.0.1:9000' }), at(9001));
  t.match(await watching('coordinator', { listen: '127.0.0.1:0' }), at(0), 'any port beside any port');
  t.match(await watching('coordinator', { listen: '127.0.0.1:65535' }), at(0));
  t.match(
    await watching('coordinator', { listen: '0.0.0.0:9000', insecure: true }),
    at(9001),
    'on this machine alone, wherever workers come from',
  );
});

t.test('a port that is asked for is that port', async (t) => {
  for (const [given, host, port] of [
    ['8080', '127.0.0.1', 8080],
    ['0', '127.0.0.1', 0],
    ['localhost:8080', 'localhost', 8080],
    ['[::1]:8080', '::1', 8080],
  ] as const) {
    t.match(await watching('train', { dashboard: given }), {
      listen: { host, port },
      orAnyPort: false,
      label: '--dashboard',
      token: null,
    });
  }
  const variable = await watching('train', {}, { environment: { LOCKSTEP_DASHBOARD: '8080' } });
  t.match(variable, { listen: { port: 8080 }, label: 'LOCKSTEP_DASHBOARD' });
  for (const given of ['65536', '-1', '80.5', '1e3', 'note', '127.0.0.1', '127.0.0.1:', ':8080', 'false']) {
    await t.rejects(
      watching('train', { dashboard: given }),
      { code: 'USAGE', message: new RegExp(`^--dashboard: got "${given.replace('.', '\\.')}", expected `) },
      given,
    );
  }
});

t.test('it can be switched off, but not on and off in one place', async (t) => {
  t.equal(await watching('coordinator', { 'no-dashboard': true }), null);
  t.equal(await watching('coordinator', {}, { environment: { LOCKSTEP_NO_DASHBOARD: '1' } }), null);
  t.match(await watching('coordinator', { 'no-dashboard': false }), { orAnyPort: true });
  const off = { LOCKSTEP_NO_DASHBOARD: '1' };
  t.match(await watching('train', { dashboard: '' }, { environment: off }), { orAnyPort: true });
  const on = { LOCKSTEP_DASHBOARD: '8080' };
  t.equal(await watching('train', { 'no-dashboard': true }, { environment: on }), null);
  await t.rejects(watching('train', { dashboard: '', 'no-dashboard': true }), {
    code: 'USAGE',
    message: '--no-dashboard: got it together with --dashboard, expected one of the two',
  });
  await t.rejects(watching('train', {}, { environment: { ...on, ...off } }), { code: 'USAGE' });
});

t.test('beyond this machine it takes the token and TLS', async (t) => {
  const open = await watching('train', { dashboard: '0.0.0.0:8080' });
  t.match(open, { isTokenNew: true, isInTheOpen: false, token: /^[0-9a-f]{32}$/ });
  t.match(open?.tls, { cert: /BEGIN CERTIFICATE/, fingerprint: /^sha256:/ });
  t.ok(open !== null && linkOf(open, 8080).match(/^https:\/\/[\d.]+:8080\/#token=[0-9a-f]{32}$/));
  const own = await watching('train', { dashboard: '0.0.0.0:8080', token: 'ein-köder-%20' });
  t.match(own, { isTokenNew: false, token: 'ein-köder-%20' });
  // printf 'lockstep dashboard' | openssl dgst -sha256 -hmac 'ein-köder-%20'
  t.ok(
    own !== null && linkOf(own, 8080).endsWith('/#token=b0097e42f09fc0638ad8156f9a577e7c'),
    'a token of the user is not shown',
  );
  const kept = await watching('train', { dashboard: '0.0.0.0:8080' }, { kept: 'kept-token' });
  t.match(kept, { isTokenNew: true, token: 'kept-token' });
  t.ok(kept !== null && linkOf(kept, 8080).endsWith('/#token=9f168d15b09d6ecb86bee3d8379b0344'));
  t.match(await watching('train', { dashboard: '0.0.0.0:8080', insecure: true }), {
    tls: null,
    isInTheOpen: true,
    token: /./,
  });
  t.match(await watching('coordinator', { dashboard: '10.1.2.3:8080' }), { tls: { cert: /./ }, token: /./ });
  await t.rejects(watching('train', { dashboard: '0.0.0.0:8080', quiet: true }), {
    code: 'USAGE',
    message: /^--quiet: the token that the dashboard needs would not be shown/,
  });
});

t.test('what is for workers means something without them where the page is for other machines', async (t) => {
  const far = values({ dashboard: '0.0.0.0:8080' });
  for (const name of ['token', 'cert', 'key', 'insecure', 'host-name']) t.ok(isForDashboard(far, name), name);
  for (const name of ['workers', 'listen', 'worker-timeout']) t.notOk(isForDashboard(far, name), name);
  t.notOk(isForDashboard(values({ dashboard: '8080' }), 'token'));
  t.notOk(isForDashboard(values({}), 'token'));
  await t.rejects(watching('train', { dashboard: '8080', insecure: true }), {
    message: '--insecure: got it without --listen, expected --listen HOST:PORT too',
  });
});

t.test('a dry run is checked, and makes nothing', async (t) => {
  const folder = t.testdir();
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = folder;
  t.teardown(() => {
    process.env.XDG_STATE_HOME = before;
  });
  const dry = (dashboard: string) =>
    readWatching(values({ dashboard, quiet: true }), 'train', null, null, true);
  t.match(await dry('0.0.0.0:80'), { tls: null });
  await t.rejects(dry('nowhere'), { code: 'USAGE' });
  t.same(readdirSync(folder), []);
});

t.test('links', async (t) => {
  const near = await watching('train', { dashboard: '' });
  t.ok(near !== null);
  if (near === null) return;
  t.equal(linkOf(near, 7078), 'http://127.0.0.1:7078/');
  t.equal(linkOf({ ...near, listen: { host: '::1', port: 0 } }, 80), 'http://[::1]:80/');
});
