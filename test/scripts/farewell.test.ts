/** Workers that come for a run which does not begin. */
import t from 'tap';
import { sayFarewell } from '../../scripts/farewell.ts';
import { knownAnswerOf, loadKernels } from '../../shared/kernels/load.ts';
import { connect } from '../../worker/connect.ts';
import { work } from '../../worker/worker.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { freePort } from '../helpers/ranks.ts';
import { rejection } from '../helpers/rejection.ts';

const token = 'a3f1c09e5b7d42688e1f6c0d9b2a4735';
const kernels = loadKernels('wasm');

function worker(url: string): Promise<string> {
  return work({
    connect: (events) => connect({ url, token, fingerprint: null, timeoutMs: 10_000, events }),
    name: 'mara',
    threads: 1,
    kernels,
    answer: knownAnswerOf(kernels),
    data: { data: null, cache: null },
    connectTimeoutMs: 30_000,
    rejoinTimeoutMs: 0,
  });
}

t.test('all who wait are told that the run is done, and then the door is shut', async (t) => {
  const port = await freePort();
  const listen = { host: '127.0.0.1', port };
  const workers = [1, 2].map(() => worker(`ws://127.0.0.1:${port}`));
  await sayFarewell({ listen, tls: null, token }, 2, { reason: 'the run is done', failed: false });
  t.same(await Promise.all(workers), ['the run is done', 'the run is done']);
  await rejection(
    connect({
      url: `ws://127.0.0.1:${port}`,
      token,
      fingerprint: null,
      timeoutMs: 1_000,
      events: { message: () => {}, frame: () => {}, closed: () => {} },
    }),
    'CONNECTION',
  );
});

t.test('of a run that failed they are told why, also under TLS', async (t) => {
  const port = await freePort();
  const tls = await newIdentity();
  const failing = rejection(worker(`wss://127.0.0.1:${port}`), 'RUN');
  const end = { reason: 'the run failed: the disk is full', failed: true };
  await sayFarewell({ listen: { host: '127.0.0.1', port }, tls, token }, 1, end);
  t.equal(await failing, `coordinator 127.0.0.1:${port}: the run failed: the disk is full`);
});
