/** Readers that have stopped reading: what they cost. */
import { createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { Dashboard, tellMs } from '../../../coordinator/dashboard/dashboard.ts';
import { mostPoints } from '../../../coordinator/dashboard/history.ts';
import { readerBytes, StreamReader } from '../../../coordinator/dashboard/reader.ts';
import { aStep, PlayedRun, playedRun } from '../../helpers/dashboard.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const run = await playedRun();

/** Bytes that this process holds for itself. */
async function held(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A dashboard with so many readers over the network that read nothing at all. */
async function stoppedReaders(t: Test, count: number) {
  const clock = new ManualClock();
  const dashboard = new Dashboard(clock);
  dashboard.start(run, new PlayedRun(run), 'played');
  dashboard.steps(Array.from({ length: mostPoints }, (_, i) => aStep(i + 1, 1 / (i + 3))));
  const responses: ServerResponse[] = [];
  const server = createServer((_, response) => {
    responses.push(response);
    dashboard.join(new StreamReader(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => {
      const sent = get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.pause();
        resolve();
      });
      sent.on('error', () => {}); // it is cut in the end
    });
  }
  let step = mostPoints;
  return {
    dashboard,
    responses,
    /** Lets steps be told that make all points new, and the network take what it takes. */
    tell: async () => {
      dashboard.steps(Array.from({ length: 4 }, () => aStep(++step, 1 / step)));
      clock.advance(tellMs);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

for (const count of [1, 16]) {
  t.test(`${count} stopped: at most 1 MiB each, and no more with time`, async (t) => {
    const before = await held();
    const { dashboard, responses, tell } = await stoppedReaders(t, count);
    t.equal(responses.length, count);
    // What the system buffers is filled with histories that are sent anew; the least of all is told by hand.
    const filler = Buffer.alloc(readerBytes / 2, 0x0a);
    for (let still = 0; still < 20; ) {
      const waiting = responses.filter(({ writableLength }) => writableLength > 0);
      still = waiting.length === count ? still + 1 : 0;
      for (const response of responses) if (response.writableLength === 0) response.write(filler);
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.ok(
      responses.every(({ writableLength }) => writableLength > 0),
      'they have stopped indeed',
    );
    const lengths = responses.map(({ writableLength }) => writableLength);
    for (let i = 0; i < 200; i++) await tell();
    t.same(
      responses.map(({ writableLength }) => writableLength),
      lengths,
      'nothing more is sent to them',
    );
    t.ok(Math.max(...lengths) <= readerBytes, `${Math.max(...lengths)} bytes wait for one`);
    const cost = (await held()) - before;
    t.comment(`${count} stopped: ${Math.round(cost / 1024)} KiB held in all, history and page included`);
    t.ok(cost <= count * readerBytes + 2 * readerBytes, `${cost} bytes`);
    dashboard.end('finished', 'the run is done');
    t.ok(Math.max(...responses.map(({ writableLength }) => writableLength)) <= readerBytes, 'nor at the end');
  });
}

t.test('a reader that goes on reading is told what it missed, and the end', async (t) => {
  const clock = new ManualClock();
  const dashboard = new Dashboard(clock);
  dashboard.start(run, new PlayedRun(run), 'played');
  dashboard.steps(Array.from({ length: mostPoints }, (_, i) => aStep(i + 1, 1 / (i + 3))));
  let joined = (_: ServerResponse): void => {};
  const response = new Promise<ServerResponse>((resolve) => {
    joined = resolve;
  });
  const server = createServer((_, response) => {
    response.write(Buffer.alloc(16 * readerBytes, 0x0a)); // more than the system buffers
    dashboard.join(new StreamReader(response));
    joined(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const text = new Promise<string>((resolve) => {
    get({ port, host: '127.0.0.1', agent: false }, async (answer) => {
      const waiting = await response;
      for (let i = 0; i < 20; i++) {
        clock.advance(tellMs);
        await new Promise((resolve) => setImmediate(resolve));
      }
      t.ok(waiting.writableLength > 0, 'it has stopped indeed');
      dashboard.end('stopped', 'stopped after step 2000');
      const pieces: Buffer[] = [];
      for await (const piece of answer) pieces.push(piece as Buffer);
      resolve(Buffer.concat(pieces).toString('utf8').trimStart());
    });
  });
  const types = (await text)
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  t.same(types.at(0), 'run');
  t.same(types.at(-1), 'over');
});
