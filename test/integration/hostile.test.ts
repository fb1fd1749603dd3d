/**
 * Honest workers while 200 hostile sockets do their worst. The times asserted here are generous, for machines that have
 * other things to do; what is measured is printed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LockstepError } from '../../shared/errors.ts';
import type { ArrivingLink } from '../../shared/wire/link.ts';
import type { ToCoordinator, ToWorker } from '../../shared/wire/messages.ts';
import { connect } from '../../worker/connect.ts';
import { newIdentity } from '../helpers/certificates.ts';
import { frameHeader, hello, payloadBytes, Told, testDoor, toConnect, token } from '../helpers/door.ts';
import { type HostileReport, hostileSockets } from '../helpers/hostile.ts';

const frameBytes = 600_000;
const windowMs = Number(process.env.LOCKSTEP_TEST_WINDOW_MS ?? 1_000);
const windows = 3;

function start(name: string, ...parameters: string[]): ChildProcess {
  return fork(fileURLToPath(new URL(`../helpers/${name}.js`, import.meta.url)), parameters);
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** A worker that sends back what it gets: frames a second over a while, each checked. */
async function framesPerSecond(link: ArrivingLink, told: Told<ToCoordinator>): Promise<number> {
  const payload = new Uint8Array(frameBytes).fill(7);
  const begin = performance.now();
  let count = 0;
  for (; performance.now() - begin < windowMs; count++) {
    link.sendFrame(frameHeader, payload);
    await told.until(({ frames }) => frames.length === 1);
    const [frame] = told.frames.splice(0);
    if (!Buffer.from(payload).equals(frame.payload)) throw new Error('other bytes came back');
  }
  return (1_000 * count) / (performance.now() - begin);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];
const identity = await newIdentity();

for (const tls of [null, identity]) {
  t.test(
    `honest workers go on among hostile sockets, ${tls === null ? 'in the open' : 'under TLS'}`,
    async (t) => {
      const honest: { link: ArrivingLink; told: Told<ToCoordinator> }[] = [];
      const door = await testDoor(t, {
        tls,
        onWorker: (link) => {
          const told = new Told<ToCoordinator>();
          return {
            message: (message) => {
              told.message(message);
              honest.push({ link, told });
            },
            frame: (frame) => told.frame(frame),
            bulkOpen: () => told.bulkOpen(),
            closed: (reason) => told.closed(reason),
          };
        },
      });
      const fingerprint = tls === null ? null : tls.fingerprint;
      const worker = start('echo-worker', door.url, token, fingerprint ?? '-');
      t.teardown(() => stop(worker));
      while (honest.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const [{ link, told }] = honest;
      link.expectBulk(payloadBytes);
      link.send({
        type: 'welcome',
        version: '0.1.0',
        run: 1,
        ticket: link.ticket,
        name: 'mara',
        recipe: '{}',
        samples: { train: 1, test: 1 },
      });
      await told.until(({ hasBulk }) => hasBulk);
      await framesPerSecond(link, told); // warms up, and lets the memory grow to what the frames need
      const before = process.memoryUsage().rss;
      let most = before;
      const watch = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss);
      }, 10);
      const calm: number[] = [];
      const attacked: number[] = [];
      const joins: number[] = [];
      const total = { opened: 0, lost: 0, bytes: 0 };
      for (let i = 0; i < windows; i++) {
        calm.push(await framesPerSecond(link, told));
        const hostile = start('hostile', `${door.port}`, token);
        const latest = { report: null as HostileReport | null };
        hostile.on('message', (report) => {
          latest.report = report as HostileReport;
        });
        while ((latest.report?.opened ?? 0) < hostileSockets) await once(hostile, 'message');
        attacked.push(await framesPerSecond(link, told));
        joins.push(await joinMs(door.url, fingerprint));
        await once(hostile, 'message');
        await stop(hostile);
        total.opened += latest.report?.opened ?? 0;
        total.lost += latest.report?.lost ?? 0;
        total.bytes += latest.report?.bytes ?? 0;
      }
      clearInterval(watch);
      const share = median(attacked) / median(calm);
      const grown = (most - before) / 2 ** 20;
      t.comment(
        `${total.opened} hostile connections, ${total.lost} cut, ${(total.bytes / 2 ** 20).toFixed(0)} MiB`,
      );
      t.comment(
        `frames there and back a second: ${median(calm).toFixed(0)}, attacked ${median(attacked).toFixed(0)}`,
      );
      t.comment(`share ${share.toFixed(2)}, join ${joins.map((ms) => ms.toFixed(0)).join(', ')} ms`);
      t.comment(`memory +${grown.toFixed(1)} MiB of ${(before / 2 ** 20).toFixed(0)}`);
      t.ok(total.lost > hostileSockets, 'hostile sockets came and were cut');
      // Which of a flood's refusals are among the few that the log tells, is chance.
      t.ok(
        door.lines.some((line) => /the oldest of more than 64| more refused within a second$/.test(line)),
        'the log tells of them',
      );
      t.notMatch(door.lines.join('\n'), token);
      t.same(told.closings, [], 'the honest worker was never cut');
      t.ok(share > 0.2, 'it goes on');
      t.ok(Math.max(...joins) < 10_000, 'another one joins');
      t.ok(grown <= 64, 'memory is bounded');
    },
  );
}

/** How long one more worker takes until it is let in, coming back when it is cut. */
async function joinMs(url: string, fingerprint: string | null): Promise<number> {
  const begin = performance.now();
  for (;;) {
    try {
      const told = new Told<ToWorker>();
      const link = await connect({ ...toConnect({ url }, told), fingerprint });
      link.send(hello);
      link.close('only passing by');
      await told.end();
      return performance.now() - begin;
    } catch (error) {
      if (!(error instanceof LockstepError) || error.code !== 'CONNECTION') throw error;
    }
  }
}
