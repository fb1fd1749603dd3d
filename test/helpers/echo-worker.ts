/** A process with an honest worker that sends back every frame. `node echo-worker.js URL TOKEN FINGERPRINT|-` */
import type { ToWorker } from '../../shared/wire/messages.ts';
import { connect } from '../../worker/connect.ts';
import { hello, payloadBytes, Told } from './door.ts';

if (process.send !== undefined && process.argv.length === 5) {
  const [url, token, fingerprint] = process.argv.slice(2);
  const events = new Told<ToWorker>();
  const link = await connect({
    url,
    token,
    fingerprint: fingerprint === '-' ? null : fingerprint,
    timeoutMs: 30_000,
    events: {
      message: (message) => events.message(message),
      frame: (frame) => link.sendFrame(frame, frame.payload),
      closed: () => process.exit(),
    },
  });
  process.once('disconnect', () => process.exit());
  link.send(hello);
  await events.until(({ messages }) => messages.length > 0);
  const [welcome] = events.messages;
  if (welcome.type !== 'welcome') throw new Error(`got ${welcome.type}, expected a welcome`);
  await link.openBulk(welcome.ticket, payloadBytes);
}
