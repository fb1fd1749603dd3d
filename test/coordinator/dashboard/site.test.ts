/** What is where, for whom, and with which headers. */

import { get } from 'node:https';
import t, { type Test } from 'tap';
import { viewingTokenOf } from '../../../coordinator/admission.ts';
import { ownIdentity } from '../../../coordinator/certificate.ts';
import { Dashboard, mostReaders } from '../../../coordinator/dashboard/dashboard.ts';
import { PageFiles } from '../../../coordinator/dashboard/page-files.ts';
import { lastRequestsMs, openSite } from '../../../coordinator/dashboard/site.ts';
import {
  aStep,
  FeedReader,
  fetched,
  PlayedRun,
  playedRun,
  playedSite,
  siteToken,
  standIns,
} from '../../helpers/dashboard.ts';
import { RawSocket } from '../../helpers/door.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const textOf = ({ body }: { body: Buffer }) => body.toString('utf8');

t.test('the files of the page, and nothing beside them', async (t) => {
  const { port } = await playedSite(t);
  for (const [path, name, type] of [
    ['/', 'index.html', 'text/html; charset=utf-8'],
    ['/draw', 'draw.html', 'text/html; charset=utf-8'],
    ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
    ['/draw.js', 'draw.js', 'text/javascript; charset=utf-8'],
    ['/page.css', 'page.css', 'text/css; charset=utf-8'],
    ['/kernels.wasm', 'kernels.wasm', 'application/wasm'],
    ['/icon.svg', 'icon.svg', 'image/svg+xml'],
    ['/?step=3', 'index.html', 'text/html; charset=utf-8'],
  ]) {
    const answer = await fetched(port, path);
    t.equal(answer.status, 200, path);
    t.equal(answer.headers['content-type'], type);
    t.equal(textOf(answer), standIns[name]);
    const { etag = '' } = answer.headers;
    t.equal(answer.headers['cache-control'], 'no-cache');
    const again = await fetched(port, path, { headers: { 'If-None-Match': etag } });
    t.equal(again.status, 304);
    t.equal(again.body.length, 0);
    const head = await fetched(port, path, { method: 'HEAD' });
    t.equal(head.headers['content-length'], String(standIns[name].length));
    t.equal(head.body.length, 0);
  }
  for (const path of [
    '/index.html',
    '/page.js/',
    '//page.js',
    '/./page.js',
    '/../page.js',
    '/..%2fpackage.json',
    '/page.js%00',
    '/site.js',
    '/__proto__',
    '/constructor',
    '/live/',
    '/LIVE',
    '*',
    'http://127.0.0.1/page.js',
  ]) {
    const answer = await fetched(port, path);
    t.equal(answer.status, 404, path);
    t.equal(textOf(answer), 'not here; the page is at /\n');
  }
});

t.test('a file that was not built is missing in one clear line', async (t) => {
  const { port } = await playedSite(t, { files: new PageFiles(new URL('file:///nowhere/')) });
  const answer = await fetched(port, '/');
  t.equal(answer.status, 404);
  t.equal(textOf(answer), 'index.html: this installation has no such file; npm run build makes it\n');
});

t.test('every answer keeps browsers strict; WebAssembly is compiled by one page alone', async (t) => {
  const { port } = await playedSite(t);
  const paths = [
    ...['/', '/draw', '/page.js', '/draw.js', '/page.css', '/kernels.wasm', '/icon.svg'],
    ...['/model', '/examples?label=1&prediction=1', '/metrics', '/healthz', '/readyz', '/nothing'],
  ];
  for (const path of paths) {
    const { headers } = await fetched(port, path);
    const scripts = path === '/draw' ? "'self' 'wasm-unsafe-eval'" : "'self'";
    t.match(
      headers,
      {
        'content-security-policy':
          `default-src 'none'; script-src ${scripts}; style-src 'self'; img-src 'self' data:; connect-src 'self'; ` +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      },
      path,
    );
    t.notOk('x-powered-by' in headers || 'access-control-allow-origin' in headers);
  }
  for (const path of ['/model', '/metrics', '/healthz', '/readyz', '/nothing'])
    t.equal((await fetched(port, path)).headers['cache-control'], 'no-store', path);
});

t.test('the model as it is now, to the bit', async (t) => {
  const { port, live } = await playedSite(t);
  live.steps = 42;
  const { status, headers, body } = await fetched(port, '/model');
  t.equal(status, 200);
  t.equal(headers['content-type'], 'application/octet-stream');
  t.equal(headers['x-lockstep-steps'], '42');
  const expected = Buffer.alloc(4 * (live.vector?.length ?? 0));
  live.vector?.forEach((value, i) => {
    expected.writeFloatLE(value, 4 * i);
  });
  t.ok(body.equals(expected));
  live.vector = null;
  live.steps = 43;
  const none = await fetched(port, '/model');
  t.match(none, { status: 503, headers: { 'retry-after': '1' } });
});

t.test('examples of a cell, once the test set was asked', async (t) => {
  const { port, dashboard } = await playedSite(t);
  t.equal((await fetched(port, '/examples?label=3&prediction=5')).status, 503);
  const evaluation = { samples: 40, loss: 1, accuracy: 0.5, correct: 20, badShard: null };
  dashboard.evaluation({ ...evaluation, confusion: [] }, 7);
  const answer = await fetched(port, '/examples?label=3&prediction=0');
  t.equal(answer.headers['content-type'], 'application/json');
  t.match(JSON.parse(textOf(answer)), { epoch: 1, step: 7, label: 3, prediction: 0 });
  for (const query of [
    '',
    '?label=3',
    '?label=3&prediction=10',
    '?label=-1&prediction=3',
    '?label=3&prediction=1e0',
    `?label=3&prediction=${'9'.repeat(500)}`,
  ]) {
    const refused = await fetched(port, `/examples${query}`);
    t.equal(refused.status, 400, query);
    t.equal(textOf(refused), 'expected /examples?label=0…9&prediction=0…9\n');
  }
});

t.test('well is whoever answers, ready whoever trains', async (t) => {
  const { port, live, dashboard } = await playedSite(t);
  for (const [activity, status] of [
    ['training', 200],
    ['evaluating', 200],
    ['waiting', 503],
    ['over', 503],
  ] as const) {
    live.now = activity;
    t.equal((await fetched(port, '/readyz')).status, status, activity);
    t.match(await fetched(port, '/healthz'), { status: 200 });
  }
  live.now = 'training';
  dashboard.end('failed', 'it broke');
  t.equal((await fetched(port, '/readyz')).status, 503);
});

t.test('before there is a run, its readers are asked to come again', async (t) => {
  const dashboard = new Dashboard();
  const { port } = await playedSite(t, { dashboard });
  for (const path of ['/live', '/model', '/examples?label=1&prediction=1', '/readyz'])
    t.match(await fetched(port, path), { status: 503, headers: { 'retry-after': '1' } }, path);
  t.equal((await fetched(port, '/metrics')).status, 200);
});

t.test('the stream is lines of JSON from the first message to the last', async (t) => {
  const { port, dashboard } = await playedSite(t);
  dashboard.steps([aStep(1)]);
  const reader = await FeedReader.open(t, port);
  t.match(await reader.first('run'), { points: [{ step: 1 }] });
  dashboard.steps([aStep(2)]);
  t.match(await reader.first('points'), { from: 0, points: [{ step: 1 }, { step: 2 }] });
  dashboard.end('finished', 'the run is done');
  t.same(await reader.first('over'), { type: 'over', how: 'finished', reason: 'the run is done' });
  await reader.end();
  const late = await FeedReader.open(t, port);
  t.match(await late.first('over'), { how: 'finished' });
  t.equal(late.messages[0].type, 'run');
  const head = await fetched(port, '/live', { method: 'HEAD' });
  t.match(head, { status: 200, headers: { 'content-type': 'application/x-ndjson; charset=utf-8' } });
});

t.test('sixteen may read the stream; another may when one has left', async (t) => {
  const { port, dashboard } = await playedSite(t);
  const readers = await Promise.all(Array.from({ length: mostReaders }, () => FeedReader.open(t, port)));
  await Promise.all(readers.map((reader) => reader.first('now')));
  const refused = await fetched(port, '/live');
  t.match(refused, { status: 503, headers: { 'retry-after': '1' } });
  t.equal(textOf(refused), 'too many look at this run already\n');
  readers[5].leave();
  while (!dashboard.hasRoom) await new Promise((resolve) => setImmediate(resolve));
  await (await FeedReader.open(t, port)).first('now');
});

t.test('data takes the token where there is one, pages and signs of life do not', async (t) => {
  const { port } = await playedSite(t, { token: siteToken });
  const bearer = { Authorization: `Bearer ${siteToken}` };
  const viewing = { Authorization: `Bearer ${viewingTokenOf(siteToken)}` };
  for (const path of ['/live', '/model', '/examples?label=1&prediction=1', '/metrics']) {
    for (const [headers, line] of [
      [{}, 'no token'],
      [{ Authorization: 'Bearer another-token' }, 'wrong token'],
      [{ Authorization: `Basic ${siteToken}` }, 'wrong token'],
      [{ Cookie: `token=${siteToken}` }, 'no token'],
    ] as const) {
      const refused = await fetched(port, path, { headers });
      t.equal(refused.status, 401, path);
      t.equal(refused.headers['www-authenticate'], 'Bearer');
      t.equal(textOf(refused), `${line}; open the link that the coordinator printed\n`);
    }
    t.equal((await fetched(port, `${path}${path.includes('?') ? '&' : '?'}token=${siteToken}`)).status, 401);
    for (const headers of path === '/live' ? [] : [bearer, viewing])
      t.not((await fetched(port, path, { headers })).status, 401, path);
  }
  for (const headers of [bearer, viewing]) await (await FeedReader.open(t, port, headers)).first('run');
  for (const path of ['/', '/draw', '/page.js', '/healthz', '/readyz'])
    t.equal((await fetched(port, path)).status, 200, path);
});

t.test('another site’s pages get nothing, whatever a name was made to mean', async (t) => {
  const { port } = await playedSite(t, { names: ['trainer.example.org'] });
  const status = async (headers: Record<string, string>, path = '/healthz') =>
    (await fetched(port, path, { headers })).status;
  t.equal(await status({ Host: 'evil.example.org' }), 403);
  t.equal(await status({ Host: `127.0.0.1.evil.example.org:${port}` }, '/'), 403);
  t.equal(await status({ Host: `localhost:${port}` }), 200);
  t.equal(await status({ Host: 'TRAINER.example.org' }), 200);
  t.equal(await status({ Origin: 'http://evil.example.org' }), 403);
  t.equal(await status({ Origin: 'null' }), 403);
  t.equal(await status({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` }), 200);
  // Loaded by a page elsewhere as if it was an image, which has no Origin.
  for (const [site, expected] of [
    ['cross-site', 403],
    ['same-site', 403],
    ['same-origin', 200],
    ['none', 200],
  ] as const) {
    t.equal(await status({ 'Sec-Fetch-Site': site }, '/model'), expected, site);
    t.equal(await status({ 'Sec-Fetch-Site': site }, '/'), 200, 'a link to the page may be anywhere');
  }
});

t.test('it is only read', async (t) => {
  const { port } = await playedSite(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
    const refused = await fetched(port, '/live', { method });
    t.equal(refused.status, 405, method);
    t.equal(refused.headers.allow, 'GET, HEAD');
  }
  const body = { 'Content-Length': '0' };
  t.equal((await fetched(port, '/', { headers: body })).status, 200, 'no body, said aloud');
});

t.test('under TLS, with the certificate of the coordinator', async (t) => {
  const tls = await ownIdentity(t.testdir());
  const { port } = await playedSite(t, { tls, token: siteToken });
  const [status, text] = await new Promise<[number | undefined, string]>((resolve, reject) => {
    const headers = { Authorization: `Bearer ${siteToken}` };
    get({ port, host: '127.0.0.1', path: '/metrics', ca: tls.cert, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => {
        text += piece.toString('utf8');
      });
      response.on('end', () => resolve([response.statusCode, text]));
    }).on('error', reject);
  });
  t.equal(status, 200);
  t.match(text, /^lockstep_steps_total 0$/m);
  await t.rejects(fetched(port, '/'), 'and without it nothing is understood');
});

/** Opens a site by itself. */
function opened(port: number, orAnyPort: boolean, dashboard = new Dashboard()) {
  const listen = { host: '127.0.0.1', port };
  return openSite({ listen, label: '--dashboard', orAnyPort, token: null, tls: null, dashboard });
}

t.test('a port that is asked for and taken is an error, another is another one', async (t: Test) => {
  const { port } = await playedSite(t);
  await t.rejects(opened(port, false), {
    code: 'CONNECTION',
    message: `--dashboard: cannot listen on 127.0.0.1:${port}: the port is in use; stop what listens there or choose another port`,
  });
  const other = await opened(port, true);
  t.not(other.port, port);
  t.equal((await fetched(other.port, '/healthz')).status, 200);
  await other.close();
});

t.test(
  'who looked until the end may fetch the last model; where nobody did, nothing is waited for',
  async (t) => {
    const clock = new ManualClock();
    const seen = await playedSite(t, { clock });
    const reader = await FeedReader.open(t, seen.port);
    await reader.first('now');
    seen.dashboard.end('finished', 'the run is done');
    const closing = seen.close();
    await reader.end();
    seen.live.steps = 77;
    const { status, headers } = await fetched(seen.port, '/model');
    t.same([status, headers['x-lockstep-steps']], [200, '77']);
    clock.advance(lastRequestsMs);
    await closing;
    await t.rejects(fetched(seen.port, '/model'), { code: 'ECONNREFUSED' });

    const unseen = await playedSite(t, { clock: new ManualClock() });
    unseen.dashboard.end('finished', 'the run is done');
    await unseen.close();
    t.pass('it has closed, though its clock stands still');
  },
);

t.test(
  'it closes soon with readers that read, a second later with one that does nothing, and the port is free',
  async (t) => {
    const run = await playedRun();
    const dashboard = new Dashboard();
    dashboard.start(run, new PlayedRun(run), 'played');
    const site = await opened(0, false, dashboard);
    const reader = await FeedReader.open(t, site.port);
    await reader.first('now');
    dashboard.end('finished', 'the run is done');
    await site.close();
    await reader.first('over');

    const again = await opened(site.port, false);
    t.equal(again.port, site.port, 'the next coordinator may have it');
    await again.close();

    const clock = new ManualClock();
    const slow = await playedSite(t, { clock });
    const half = await new RawSocket(t, slow.port).write('GET / HTTP/1.1\r\n').connected();
    t.equal((await fetched(slow.port, '/healthz')).status, 200, 'the one before has been met, too');
    let isClosed = false;
    const closing = slow.close().then(() => {
      isClosed = true;
    });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    t.notOk(isClosed, 'it waits');
    clock.advance(1_000);
    await Promise.all([closing, half.closed()]);
    t.equal(clock.waiting, 0);
  },
);
