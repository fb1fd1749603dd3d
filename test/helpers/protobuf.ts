/** A reader of protocol buffers by field numbers, for judging what was written; it shares no code with the writer. */

export type Field =
  | { readonly number: number; readonly wire: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly wire: 'bytes' | 'fixed32' | 'fixed64'; readonly value: Buffer };

export class Message {
  readonly fields: readonly Field[];

  constructor(bytes: Buffer) {
    const fields: Field[] = [];
    let at = 0;
    const varint = (): bigint => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        if (at >= bytes.length || shift > 63n) throw new Error(`no number at ${at}`);
        const byte = bytes[at++];
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const take = (length: number): Buffer => {
      if (at + length > bytes.length) throw new Error(`${length} bytes at ${at} of ${bytes.length}`);
      at += length;
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const tag = Number(varint());
      const number = Math.floor(tag / 8);
      if (tag % 8 === 0) fields.push({ number, wire: 'varint', value: varint() });
      else if (tag % 8 === 1) fields.push({ number, wire: 'fixed64', value: take(8) });
      else if (tag % 8 === 2) fields.push({ number, wire: 'bytes', value: take(Number(varint())) });
      else if (tag % 8 === 5) fields.push({ number, wire: 'fixed32', value: take(4) });
      else throw new Error(`wire type ${tag % 8} at ${at}`);
    }
    this.fields = fields;
  }

  #all(number: number, wire: Field['wire']): Buffer[] {
    return this.#values(number, wire).map((value) => value as Buffer);
  }

  #values(number: number, wire: Field['wire']): Field['value'][] {
    return this.fields
      .filter((field) => field.number === number)
      .map((field) => {
        if (field.wire !== wire) throw new Error(`field ${number} is ${field.wire}, expected ${wire}`);
        return field.value;
      });
  }

  messages(number: number): Message[] {
    return this.#all(number, 'bytes').map((bytes) => new Message(bytes));
  }

  message(number: number): Message {
    return one(this.messages(number), number);
  }

  texts(number: number): string[] {
    return this.#all(number, 'bytes').map((bytes) => bytes.toString('utf8'));
  }

  text(number: number): string {
    return one(this.texts(number), number);
  }

  bytes(number: number): Buffer {
    return one(this.#all(number, 'bytes'), number);
  }

  integers(number: number): number[] {
    return this.#values(number, 'varint').map(Number);
  }

  integer(number: number): number {
    return one(this.integers(number), number);
  }

  float(number: number): number {
    return one(this.#all(number, 'fixed32'), number).readFloatLE();
  }

  double(number: number): number {
    return one(this.#all(number, 'fixed64'), number).readDoubleLE();
  }

  has(number: number): boolean {
    return this.fields.some((field) => field.number === number);
  }
}

function one<T>(list: readonly T[], number: number): T {
  if (list.length !== 1) throw new Error(`field ${number} is there ${list.length} times`);
  return list[0];
}
