/** Control messages as bytes: msgpack, looked through before it is decoded and checked by schema after. */
import assert from 'node:assert';
// This entry decodes strings in JavaScript everywhere; the main one looks for a native addon that scans ahead.
import { Packr } from 'msgpackr/pack';
import { controlBytes } from './limits.ts';
import { schemas, type ToCoordinator, type ToWorker } from './messages.ts';
import { preScan } from './pre-scan.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

/** The bytes of a message, the caller's to keep; at most `controlBytes`. */
export function encodeMessage(message: ToCoordinator | ToWorker): Uint8Array {
  const bytes = Uint8Array.from(packr.pack(message)); // what pack returns is a piece of a buffer in use
  const { type } = message;
  assert(bytes.length <= controlBytes, `a ${type} of ${bytes.length} bytes, at most ${controlBytes}`);
  const wrong = preScan(bytes);
  assert(wrong === null, `a ${type} that nobody would read: ${wrong}`);
  return bytes;
}

/** Reads what the other end sent. Returns what is wrong with it, in one short line, if it is no message for this end. */
export function decodeMessage<To extends keyof typeof schemas>(
  to: To,
  bytes: Uint8Array,
  limitBytes: number = controlBytes,
): (To extends 'toWorker' ? ToWorker : ToCoordinator) | string {
  if (bytes.length > limitBytes) return `${bytes.length} bytes, expected at most ${limitBytes}`;
  const wrong = preScan(bytes);
  if (wrong !== null) return wrong;
  // msgpackr leaves a property on the array that it reads: a view is its own.
  const result = schemas[to].safeParse(packr.unpack(bytes.subarray()));
  if (!result.success) return explain(result.error.issues);
  return result.data as To extends 'toWorker' ? ToWorker : ToCoordinator;
}

/** Characters of a reason: enough for a line of a log. */
const mostCharacters = 200;

/** The first of the issues that a schema found. Of the other end's text it quotes keys at most: letters and digits. */
function explain(issues: readonly { path: readonly PropertyKey[]; message: string }[]): string {
  const [{ path, message }] = issues;
  const line = path.length > 0 ? `${path.join('.')}: ${message}` : message;
  return line.slice(0, mostCharacters);
}
