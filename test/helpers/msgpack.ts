/** MessagePack read by its specification, plainly: what passes a pre-scan must mean this and nothing else. */

/** The one value of plain types that the bytes are; throws for anything else. */
export function readPlain(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (count: number): number => {
    at += count;
    if (at > bytes.length) throw new Error('cut off');
    return at - count;
  };
  const text = (length: number): string => {
    const start = take(length);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(start, start + length));
  };
  const array = (count: number): unknown[] => {
    const values: unknown[] = [];
    while (values.length < count) values.push(read());
    return values;
  };
  const map = (count: number): unknown => {
    const entries: [string, unknown][] = [];
    while (entries.length < count) {
      const key = read();
      if (typeof key !== 'string') throw new Error('a key that is no string');
      entries.push([key, read()]);
    }
    return Object.fromEntries(entries);
  };
  const read = (): unknown => {
    const head = view.getUint8(take(1));
    if (head <= 0x7f) return head;
    if (head <= 0x8f) return map(head - 0x80);
    if (head <= 0x9f) return array(head - 0x90);
    if (head <= 0xbf) return text(head - 0xa0);
    if (head >= 0xe0) return head - 0x100;
    const reader = readers[head];
    if (reader === undefined) throw new Error(`a value of type ${head}`);
    return reader();
  };
  const readers: Record<number, () => unknown> = {
    192: () => null,
    194: () => false,
    195: () => true,
    202: () => view.getFloat32(take(4)),
    203: () => view.getFloat64(take(8)),
    204: () => view.getUint8(take(1)),
    205: () => view.getUint16(take(2)),
    206: () => view.getUint32(take(4)),
    207: () => Number(view.getBigUint64(take(8))),
    208: () => view.getInt8(take(1)),
    209: () => view.getInt16(take(2)),
    210: () => view.getInt32(take(4)),
    211: () => Number(view.getBigInt64(take(8))),
    217: () => text(view.getUint8(take(1))),
    218: () => text(view.getUint16(take(2))),
    219: () => text(view.getUint32(take(4))),
    220: () => array(view.getUint16(take(2))),
    221: () => array(view.getUint32(take(4))),
    222: () => map(view.getUint16(take(2))),
    223: () => map(view.getUint32(take(4))),
  };
  const value = read();
  if (at !== bytes.length) throw new Error('bytes behind the end');
  return value;
}

/** True for nil, booleans, numbers, strings, and ordinary arrays and objects of them. */
export function isPlain(value: unknown): boolean {
  if (value === null || ['boolean', 'number', 'string'].includes(typeof value)) return true;
  if (typeof value !== 'object') return false;
  if (Array.isArray(value)) return Object.keys(value).length === value.length && value.every(isPlain);
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlain);
}
