/** Control messages as bytes (msgpack). */
import { Packr } from 'msgpackr';
import { schemas, type ToCoordinator, type ToWorker } from './messages.ts';

const packr = new Packr({ useRecords: false });

/** The bytes of a message, the caller's to keep. */
export function encodeMessage(message: ToCoordinator | ToWorker): Uint8Array {
  return Uint8Array.from(packr.pack(message));
}

/** Reads what the other end sent. Returns what is wrong with it, in words, if it is no message for this end. */
export function decodeMessage<To extends keyof typeof schemas>(
  to: To,
  bytes: Uint8Array,
): (To extends 'toWorker' ? ToWorker : ToCoordinator) | string {
  const result = schemas[to].safeParse(packr.unpack(bytes));
  if (!result.success) return result.error.message;
  return result.data as To extends 'toWorker' ? ToWorker : ToCoordinator;
}
