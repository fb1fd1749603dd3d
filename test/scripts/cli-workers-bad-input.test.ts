/** What can be wrong with a coordinator and its workers: a line on this side, one on the other, the right exit code. */
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDoor } from '../../coordinator/door.ts';
import { knownAnswer } from '../../shared/kernels/probe.ts';
import { arithmeticVersion, canonicalJson } from '../../shared/recipe/recipe.ts';
import { draftRecipe, finishRecipe } from '../../shared/recipe/resolve.ts';
import { version } from '../../shared/version.ts';
import { protocolVersion } from '../../shared/wire/limits.ts';
import type { ArrivingLink } from '../../shared/wire/link.ts';
import type { Hello, ToCoordinator, ToWorker } from '../../shared/wire/messages.ts';
import { connect } from '../../worker/connect.ts';
import { type BadCase, holdRefused } from '../helpers/cli.ts';
import { RawSocket, soon, upgradeRequest } from '../helpers/door.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { type Launched, launch, launchCoordinator, token } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const environment = { LOCKSTEP_TOKEN: token };
const coordinator = (args: readonly string[], says: RegExp, more: Partial<BadCase> = {}): BadCase => ({
  args: ['coordinator', '--no-run', ...args],
  code: 2,
  says,
  environment,
  ...more,
});
const worker = (args: readonly string[], says: RegExp, more: Partial<BadCase> = {}): BadCase => ({
  args: ['worker', ...args],
  code: 2,
  says,
  environment,
  ...more,
});
const here = 'ws://127.0.0.1:1';
const there = 'wss://10.0.0.7:7077';

const folder = t.testdir({ 'notes.pem': 'no certificate' });
const pem = join(folder, 'notes.pem');

t.test('flags of a coordinator', (t) =>
  holdRefused(t, {
    'no workers': coordinator(['--workers', '0'], /--workers: got "0", expected an integer ≥ 1/),
    'half a worker': coordinator(['--workers', '1.5'], /--workers: got "1\.5"/),
    'more at least than at first': coordinator(
      ['--workers', '2', '--min-workers', '3'],
      /--min-workers: got 3, expected at most the 2 of --workers/,
    ),
    'threads -1': coordinator(['--threads', '-1'], /--threads: got "-1", expected an integer from 0 to 1024/),
    'a time of nothing': coordinator(
      ['--worker-timeout', '0'],
      /--worker-timeout: got "0", expected seconds/,
    ),
    'a time in days': coordinator(
      ['--worker-timeout', '3d'],
      /--worker-timeout: got "3d", expected seconds, or a/,
    ),
    'a time without end': coordinator(['--step-timeout', '1e99'], /--step-timeout: got "1e99"/),
    'no port': coordinator(['--listen', '127.0.0.1'], /--listen: got "127\.0\.0\.1", expected HOST:PORT/),
    'a port too large': coordinator(['--listen', '127.0.0.1:65536'], /--listen: got "127\.0\.0\.1:65536"/),
    'where it listens, from the environment': coordinator(
      [],
      /LOCKSTEP_LISTEN: got "7077", expected HOST:PORT/,
      {
        environment: { LOCKSTEP_LISTEN: '7077' },
      },
    ),
    'an address of somebody else': coordinator(
      ['--listen', '203.0.113.1:0', '--insecure'],
      /--listen: cannot listen on 203\.0\.113\.1:0: that is no address of this machine/,
      { code: 1 },
    ),
    'a short token': coordinator(['--token', 'seven77'], /--token: got 7 characters, expected 8 to 256/),
    'a long token': coordinator(['--token', 'x'.repeat(257)], /--token: got 257 characters/),
    'a token with a space': coordinator(
      [],
      /LOCKSTEP_TOKEN: got a space or a character that cannot be seen/,
      {
        environment: { LOCKSTEP_TOKEN: 'with a space' },
      },
    ),
    'a token that nobody would see': coordinator(
      ['--quiet'],
      /--quiet: the token that workers need would not be/,
      {
        environment: {},
      },
    ),
    'a certificate without a key': coordinator(['--cert', 'x.pem'], /--cert: got no --key, expected both/),
    'a key without a certificate': coordinator(['--key', 'x.pem'], /--key: got no --cert, expected both/),
    'a certificate, insecurely': coordinator(
      ['--cert', 'x.pem', '--key', 'x.pem', '--insecure'],
      /--insecure: got --cert too, expected one of them/,
    ),
    'a certificate that is not there': coordinator(
      ['--cert', 'x.pem', '--key', 'x.pem'],
      /--cert: got "x\.pem", expected a file in PEM \(ENOENT/,
    ),
    'a key that is a folder': coordinator(
      ['--cert', pem, '--key', '.'],
      /--key: got "\.", expected a file in PEM, not a folder/,
    ),
    'a certificate that is none': coordinator(
      ['--cert', pem, '--key', pem],
      /notes\.pem": expected a certificate \(/,
      { code: 1 },
    ),
    'a name with a port': coordinator(
      ['--host-name', 'trainer:7077'],
      /--host-name: got "trainer:7077", expected a name or an address without a port/,
    ),
    'flags of listening without it': {
      ...coordinator([], /--workers: got it without --listen, expected --listen HOST:PORT too/),
      args: ['train', '--workers', '2', '--no-run'],
    },
    'train with no threads': {
      ...coordinator([], /--threads: got "0", expected an integer from 1 to 1024/),
      args: ['train', '--threads', '0', '--no-run'],
    },
  }),
);

t.test('flags of a worker', (t) =>
  holdRefused(t, {
    'no URL': worker([], /worker: got no URL, expected lockstep worker URL/),
    'no URL at all': worker(
      ['10.0.0.7:7077'],
      /URL: got "10\.0\.0\.7:7077", expected the one that the coord/,
    ),
    'a page': worker(['http://127.0.0.1:7077'], /URL: got "http:\/\/127\.0\.0\.1:7077", expected the one/),
    'a path': worker([`${here}/control`], /URL: got more than a host and a port/),
    'a token in it': worker([`${here}?token=s3cret`], /a token goes in LOCKSTEP_TOKEN$/m),
    'in the open': worker(
      ['ws://10.0.0.7:7077'],
      /expected wss:\/\/ beyond this machine; with --insecure the/,
    ),
    'insecure, under TLS': worker(
      [there, '--insecure'],
      /--insecure: got it with "wss:.*", expected ws:\/\//,
    ),
    'a fingerprint, in the open': worker(
      [here, '--fingerprint', `sha256:${'0'.repeat(64)}`],
      /--fingerprint: got it with "ws:.*", expected a URL that begins with wss:/,
    ),
    'half a fingerprint': worker(
      [there, '--fingerprint', 'sha256:00'],
      /--fingerprint: got "sha256:00", expec/,
    ),
    'no token': worker(
      [here],
      /--token: got none, expected the one that the coordinator printed; set LOCKSTEP_T/,
      {
        environment: {},
      },
    ),
    'a short token': worker([here], /LOCKSTEP_TOKEN: got 7 characters/, {
      environment: { LOCKSTEP_TOKEN: '1234567' },
    }),
    'a name of two lines': worker(
      [here, '--name', 'a\nb'],
      /--name: got "a\\nb", expected 1 to 64 characters/,
    ),
    'a name without end': worker([here, '--name', 'x'.repeat(65)], /--name: got "x+", expected 1 to 64/),
    'no such data': worker([here, '--data', 'nowhere'], /--data: .*nowhere/),
    'no threads': worker([here, '--threads', '0'], /--threads: got "0", expected an integer from 1 to 1024/),
    'a flag of the coordinator': worker([here, '--workers', '2'], /unknown flag "--workers"/),
    'nobody there': worker(
      [here, '--wait', '0'],
      /coordinator 127\.0\.0\.1:1: nobody listens there; is the coor/,
      {
        code: 1,
        // What a coordinator reads from its environment is no mistake here.
        environment: { ...environment, LOCKSTEP_WORKERS: 'x', LOCKSTEP_LISTEN: 'x', LOCKSTEP_EPOCHS: '-1' },
        args: ['worker', here, '--wait', '0', '--quiet'],
      },
    ),
  }),
);

/** A server of another kind, listening on loopback until the test is over. */
async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

const data = writeTinyData(join(folder, 'data'));
const tiny = [...tinyRecipe.slice(0, -2), '--data', data, '--no-run'];

t.test('a port in use, and who is no coordinator', async (t) => {
  const port = await listening(t, createServer());
  const web = await listening(
    t,
    createHttp((_, response) => response.writeHead(404).end('a page\n')),
  );
  await holdRefused(t, {
    'a port in use': coordinator(
      // Data that is there at once: of a wait for it a line would tell.
      [...tiny, '--listen', `127.0.0.1:${port}`],
      /--listen: cannot listen on 127\.0\.0\.1:\d+: the port is in use; stop what listens/,
      { code: 1 },
    ),
    'a web server': worker(
      [`ws://127.0.0.1:${web}`, '--quiet'],
      /got HTTP 404 "a page", expected a coordinator/,
      {
        code: 1,
      },
    ),
  });
});

/** Ends a coordinator that would wait on; returns what it has shown. */
async function ended({ child, finished }: Launched): Promise<string> {
  child.kill('SIGTERM');
  return (await finished).stderr;
}

t.test('not enough workers in time', async (t) => {
  const open = await launchCoordinator(t, [...tiny, '--workers', '2', '--worker-timeout', '300ms']);
  const { code, stderr, stdout } = await open.finished;
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(
    stderr,
    /lockstep: waited 0\.3 s for workers: 0 of 2 are there; start more of them, or wait longer/,
  );
});

t.test('a wrong token, and none: the worker is told, the coordinator says who it was', async (t) => {
  const open = await launchCoordinator(t, tiny);
  const wrong = await launch(t, ['worker', open.url, '--quiet'], { LOCKSTEP_TOKEN: 'another-token' })
    .finished;
  t.equal(wrong.code, 1);
  t.match(
    wrong.stderr,
    /^lockstep: coordinator \S+: refused: wrong token; set LOCKSTEP_TOKEN to the one that/,
  );
  const answer = await fetch(open.url.replace('ws:', 'http:'));
  t.equal(answer.status, 404, 'and a browser');
  const stderr = await ended(open);
  t.match(stderr, /^127\.0\.0\.1:\d+ refused: wrong token/m);
  t.match(stderr, /^127\.0\.0\.1:\d+ refused: a request for a page/m);
  t.notMatch(stderr, /another-token/);
});

t.test(
  'a name that the coordinator does not know is refused, and the flag that the line names lets it in',
  async (t) => {
    const open = await launchCoordinator(t, [...tiny, '--host-name', 'trainer.example,gpu']);
    const knock = (host: string) => {
      const headers = { Host: host, Authorization: `Bearer ${token}` };
      return new RawSocket(t, Number(new URL(open.url).port)).write(upgradeRequest('/control', headers));
    };
    t.match(
      await knock('other.example').closed(),
      /start the coordinator with --host-name other\.example\n$/,
    );
    for (const host of ['trainer.example:7077', 'GPU']) {
      const raw = knock(host);
      await soon(() => raw.received.length > 0);
      t.match(raw.received.toString(), /^HTTP\/1\.1 101 /, host);
    }
    t.match(await ended(open), /refused: Host: got "other\.example", expected a name or an address of this/);
  },
);

t.test('a wrong fingerprint, and none: nothing is sent', async (t) => {
  const open = await launchCoordinator(t, [...tiny, '--listen', '0.0.0.0:0']);
  const url = open.url.replace(/\/\/.*:/, '//127.0.0.1:');
  const [wrong, none, plain] = await Promise.all(
    [
      ['worker', url, '--quiet', '--fingerprint', `sha256:${'0'.repeat(64)}`],
      ['worker', url, '--quiet'],
      ['worker', url.replace('wss:', 'ws:'), '--quiet'],
    ].map((args) => launch(t, args).finished),
  );
  t.match(wrong, {
    code: 1,
    stderr: /its certificate is another one: got sha256:.*, expected sha256:0+; nothing was/,
  });
  t.match(none, { code: 1, stderr: /its certificate is not trusted here \(.*\); pass --fingerprint/ });
  t.match(plain, { code: 1, stderr: /refused: this port speaks TLS; use wss:\/\/ and the fingerprint/ });
  const stderr = await ended(open);
  t.match(stderr, /^127\.0\.0\.1:\d+ refused: this port speaks TLS/m);
  t.equal(stderr.match(/ closed under TLS without a request: does it expect another cert/g)?.length, 2);
});

const hello: Hello = {
  type: 'hello',
  protocol: protocolVersion,
  arithmetic: arithmeticVersion,
  version,
  answer: knownAnswer,
  workerId: '0'.repeat(32),
  name: 'mara',
  threads: 1,
  kernels: 'wasm',
};

/** What a coordinator answers to a hello. */
function answerTo(url: string, message: Hello): Promise<ToWorker> {
  return new Promise((resolve, reject) => {
    const events = {
      message: resolve,
      frame: () => {},
      closed: (reason: string) => reject(new Error(reason)),
    };
    connect({ url, token, fingerprint: null, timeoutMs: 5_000, events }).then(
      (link) => link.send(message),
      reject,
    );
  });
}

t.test('other versions and wrong answers are refused at hello, with the reason on both sides', async (t) => {
  const open = await launchCoordinator(t, tiny);
  for (const [change, says] of [
    [
      { protocol: protocolVersion + 1 },
      /the worker has protocol version \d+ .*install the same version on both/,
    ],
    [
      { arithmetic: arithmeticVersion + 1 },
      /the worker has arithmetic version \d+ .*install the same version/,
    ],
    [{ answer: '0'.repeat(64) }, /the worker's kernels \(wasm\) give 000000000000… on the known computation/],
  ] as const) {
    const answer = await answerTo(open.url, { ...hello, ...change });
    t.match(answer, { type: 'refuse', reason: says });
    await open.shows(new RegExp(`^mara \\(127\\.0\\.0\\.1:\\d+\\) refused: ${says.source}`, 'm'));
  }
  await ended(open);
});

/** A coordinator that answers as it is told to; returns its URL. */
async function scripted(
  t: Test,
  answer: (message: ToCoordinator, link: ArrivingLink) => void,
): Promise<string> {
  const door = await openDoor({
    listen: { host: '127.0.0.1', port: 0 },
    token,
    tls: null,
    log: () => {},
    onWorker: (link) => ({
      message: (message) => answer(message, link),
      frame: () => {},
      closed: () => {},
    }),
  });
  t.teardown(() => door.close('the test is over'));
  return `ws://127.0.0.1:${door.port}`;
}

t.test('a worker that is refused says why and ends', async (t) => {
  const reason = 'the worker has protocol version 1';
  const url = await scripted(t, ({ type }, link) => {
    if (type === 'hello') link.send({ type: 'refuse', reason });
  });
  const refused = await launch(t, ['worker', url, '--quiet']).finished;
  t.equal(refused.code, 1);
  t.equal(refused.stderr, `lockstep: the coordinator refused this worker: ${reason}\n`);
});

t.test('a coordinator that makes no sense is told so, and the worker ends with a line', async (t) => {
  let left = '';
  const url = await scripted(t, (message, link) => {
    if (message.type === 'leave') left = message.reason;
    if (message.type !== 'hello') return;
    link.expectBulk(2 ** 21);
    const { ticket } = link;
    const samples = { train: 10, test: 10 };
    link.send({ type: 'welcome', version, run: 7, ticket, name: 'ada', recipe: '{oops', samples });
  });
  const { code, stderr } = await launch(t, ['worker', url, '--quiet']).finished;
  t.equal(code, 1);
  const says = 'its recipe: got "{oops", expected JSON; install the same version on both';
  t.match(stderr, `lockstep: coordinator ${url.slice(5)}: ${says}`);
  t.equal(stderr.trim().split('\n').length, 1, 'and no stack');
  t.match(left, `failed: coordinator ${url.slice(5)}: ${says}`);
});

t.test(
  'data that is not that of the recipe ends the worker, which says so, also to the coordinator',
  async (t) => {
    const draft = draftRecipe({ model: 'dense(10)', batchSize: 4, epochs: 1 }, (key) => key);
    const recipe = canonicalJson(finishRecipe(draft, '0'.repeat(64)));
    const samples = { train: 10, test: 10 };
    const place = { run: 7, step: 0, exchange: 0, lo: 0, hi: 0, panel: 0, microseconds: 0 };
    let left = '';
    const url = await scripted(t, (message, link) => {
      if (message.type === 'hello') {
        link.expectBulk(2 ** 21);
        const { ticket } = link;
        link.send({ type: 'welcome', version, run: 7, ticket, name: 'ada', recipe, samples });
      } else if (message.type === 'fetch') {
        link.sendFrame({ type: 'data', ...place }, new Uint8Array(20 * 785));
      } else if (message.type === 'leave') left = message.reason;
    });
    const { code, stderr } = await launch(t, ['worker', url, '--quiet']).finished;
    t.equal(code, 1);
    t.match(
      stderr,
      /^lockstep: the coordinator sent data with SHA-256 [0-9a-f]{64}, its recipe says 0{64}\n$/,
    );
    t.match(left, /^failed: the coordinator sent data with SHA-256/);
  },
);
