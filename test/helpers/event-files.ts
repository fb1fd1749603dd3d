/**
 * TensorBoard's event files, read field by field as its documentation has them, and what TensorBoard shows of a folder of
 * them. It shares no code with the writer.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Message } from './protobuf.ts';

export interface ReadValue {
  readonly tag: string;
  readonly plugin: string;
  readonly dataClass: number;
  readonly shape: readonly number[];
  readonly content: string | readonly number[];
}

export interface ReadEvent {
  readonly wallSeconds: number;
  readonly step: number;
  readonly version: string | null;
  readonly isStart: boolean;
  readonly values: readonly ReadValue[];
}

/** The contents of records whose checksums are right. */
export function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const content = file.subarray(at + 12, at + 12 + length);
    checkSum(file.subarray(at, at + 8), file.readUInt32LE(at + 8), `length at ${at}`);
    checkSum(content, file.readUInt32LE(at + 12 + length), `record at ${at}`);
    records.push(content);
    at += 16 + length;
  }
  return records;
}

export function readEvents(path: string): ReadEvent[] {
  return readRecords(readFileSync(path)).map((record) => {
    const event = new Message(record);
    return {
      wallSeconds: event.double(1),
      step: event.integer(2),
      version: event.has(3) ? event.text(3) : null,
      isStart: event.has(7) && event.message(7).integer(1) === 1,
      values: event.has(5) ? event.message(5).messages(1).map(readValue) : [],
    };
  });
}

/** Step and content of each tag, as TensorBoard shows a folder: a file that starts at a step replaces what was from there on. */
export function shownOf(folder: string): Map<string, { step: number; content: ReadValue['content'] }[]> {
  const shown = new Map<string, { step: number; content: ReadValue['content'] }[]>();
  for (const name of readdirSync(folder).sort()) {
    for (const { step, isStart, values } of readEvents(join(folder, name))) {
      for (const [tag, points] of isStart ? shown : []) {
        shown.set(
          tag,
          points.filter((point) => point.step < step),
        );
      }
      for (const { tag, content } of values) shown.set(tag, [...(shown.get(tag) ?? []), { step, content }]);
    }
  }
  return shown;
}

function readValue(value: Message): ReadValue {
  const tensor = value.message(8);
  const metadata = value.message(9);
  const shape = tensor
    .message(2)
    .messages(2)
    .map((side) => side.integer(1));
  return {
    tag: value.text(1),
    plugin: metadata.message(1).text(1),
    dataClass: metadata.integer(4),
    shape,
    content: contentOf(tensor),
  };
}

/** By its dtype: DT_FLOAT, DT_DOUBLE or DT_STRING. */
function contentOf(tensor: Message): string | number[] {
  const dtype = tensor.integer(1);
  if (dtype === 7) return tensor.text(8);
  if (dtype === 1) return numbersOf(tensor.bytes(5), 4, (bytes, at) => bytes.readFloatLE(at));
  if (dtype === 2) return numbersOf(tensor.bytes(4), 8, (bytes, at) => bytes.readDoubleLE(at));
  throw new Error(`dtype ${dtype}`);
}

function numbersOf(bytes: Buffer, size: number, read: (bytes: Buffer, at: number) => number): number[] {
  return Array.from({ length: bytes.length / size }, (_, i) => read(bytes, size * i));
}

/** By a table, highest power first in the polynomial's mirror image; then rotated right by 15 and moved by a constant. */
function checkSum(bytes: Buffer, expected: number, what: string): void {
  let crc = 0xffff_ffffn;
  for (const byte of bytes) crc = table[Number((crc ^ BigInt(byte)) & 0xffn)] ^ (crc >> 8n);
  crc ^= 0xffff_ffffn;
  const rotated = ((crc >> 15n) | (crc << 17n)) & 0xffff_ffffn;
  const found = Number((rotated + 0xa282_ead8n) & 0xffff_ffffn);
  if (found !== expected) throw new Error(`${what}: checksum ${expected}, it is ${found}`);
}

const polynomial = 0x1edc_6f41n;

/** x³² + … of RFC 3720, section 12.1, with the bits of every word turned round. */
const mirrored = BigInt(`0b${[...polynomial.toString(2).padStart(32, '0')].reverse().join('')}`);

const table = Array.from({ length: 256 }, (_, byte) => {
  let rest = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) rest = rest & 1n ? (rest >> 1n) ^ mirrored : rest >> 1n;
  return rest;
});
