/**
 * Writing of protocol buffers (https://protobuf.dev/programming-guides/encoding), as much as ONNX and TensorBoard need.
 * Each function gives one field, in parts to be written one behind the other, so that no tensor is copied for the messages
 * around it.
 */

export type Parts = readonly Uint8Array[];

const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** An integer ≥ 0. */
export function integer(field: number, value: number): Parts {
  return [Uint8Array.from([...tag(field, 'varint'), ...varint(value)])];
}

/** A binary32. */
export function float(field: number, value: number): Parts {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [Uint8Array.from([...tag(field, 'fixed32'), ...bytes])];
}

/** A binary64. */
export function double(field: number, value: number): Parts {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [Uint8Array.from([...tag(field, 'fixed64'), ...bytes])];
}

export function text(field: number, value: string): Parts {
  return message(field, [new TextEncoder().encode(value)]);
}

/** Bytes, or a message made of fields. */
export function message(field: number, ...content: readonly Parts[]): Parts {
  const parts = content.flat();
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [Uint8Array.from([...tag(field, 'lengthDelimited'), ...varint(length)]), ...parts];
}

function tag(field: number, type: keyof typeof wireTypes): number[] {
  return varint(field * 8 + wireTypes[type]);
}

/** Seven bits a byte, the lowest first; the high bit says that more follow. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) + 0x80);
  return [...bytes, left];
}
