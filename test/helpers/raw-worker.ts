import type { Test } from 'tap';
import { encodeMessage } from '../../shared/wire/codec.ts';
import { hello, type TestDoor, upgraded, webSocketFrame } from './door.ts';

/** Largest payload of a frame that a door takes from a raw worker. */
export const rawPayloadBytes = 1_000;

/** A worker made of two raw sockets, past its hello, and the coordinator's end of the link. */
export async function rawWorker(t: Test, door: TestDoor) {
  const number = door.arrivals.length;
  const control = (await upgraded(t, door.port)).write(webSocketFrame(encodeMessage(hello)));
  const { link, told } = await door.arrival(number);
  await told.until(({ messages }) => messages.length === 1);
  link.expectBulk(rawPayloadBytes);
  const bulk = await upgraded(t, door.port, '/bulk', { 'lockstep-ticket': link.ticket });
  await told.until(({ hasBulk }) => hasBulk);
  return { control, bulk, link, told };
}
