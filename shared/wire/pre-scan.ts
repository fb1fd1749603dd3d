/**
 * Looks through the bytes of a control message before msgpackr builds anything of them. A decoder of msgpack makes
 * regular expressions, errors, sets and classes of extension types, and arrays of any announced length; here only plain
 * values pass, no more and no deeper than a message needs, and no length that the bytes do not bear out.
 * Source: the MessagePack specification, "Formats" (msgpack.org).
 */
import { controlDepth, controlValues } from './limits.ts';

/**
 * Returns what is wrong with bytes that should be exactly one value of nil, booleans, integers within ±2⁵³, floats,
 * strings, arrays, and maps whose keys are different words of ASCII letters and digits; null if nothing is.
 */
export function preScan(bytes: Uint8Array): string | null {
  const scan = new Scan(bytes);
  const wrong = scan.value(0);
  if (wrong !== null) return wrong;
  return scan.left > 0 ? `${scan.left} bytes behind its end` : null;
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that were not looked at yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Moves behind the value that begins here, inside so many arrays and maps. Returns what is wrong with it. */
  value(depth: number): string | null {
    if (this.left === 0) return this.#tooShort();
    this.#values++;
    if (this.#values > controlValues) return `more than ${controlValues} values`;
    const token = this.#bytes[this.#at++];
    if (token < 0x80 || token >= 0xe0) return null; // an integer from −32 to 127
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#skip(token & 0x1f); // a string
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return null;
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return this.#skip(1);
      case 0xcd: // uint 16
      case 0xd1: // int 16
        return this.#skip(2);
      case 0xca: // float 32
      case 0xce: // uint 32
      case 0xd2: // int 32
        return this.#skip(4);
      case 0xcb: // float 64
        return this.#skip(8);
      case 0xcf: // uint 64
      case 0xd3: // int 64
        return this.#wideInteger(token === 0xd3);
      case 0xd9: // str 8
        return this.#skip(this.#size(1));
      case 0xda: // str 16
        return this.#skip(this.#size(2));
      case 0xdb: // str 32
        return this.#skip(this.#size(4));
      case 0xdc: // array 16
        return this.#array(this.#size(2), depth);
      case 0xdd: // array 32
        return this.#array(this.#size(4), depth);
      case 0xde: // map 16
        return this.#map(this.#size(2), depth);
      case 0xdf: // map 32
        return this.#map(this.#size(4), depth);
      default: // bin, ext and the one that is never used
        return `a value of type 0x${token.toString(16)}, which no message holds`;
    }
  }

  #array(count: number, depth: number): string | null {
    if (depth >= controlDepth) return tooDeep;
    // However many are announced: it ends with the bytes or at the limit of values.
    for (let i = 0; i < count; i++) {
      const wrong = this.value(depth + 1);
      if (wrong !== null) return wrong;
    }
    return null;
  }

  #map(count: number, depth: number): string | null {
    if (depth >= controlDepth) return tooDeep;
    const keys = new Set<string>();
    for (let i = 0; i < count; i++) {
      const wrong = this.#key(keys) ?? this.value(depth + 1);
      if (wrong !== null) return wrong;
    }
    return null;
  }

  /** Moves behind a key of at most 31 characters, and adds it to those of its map. */
  #key(keys: Set<string>): string | null {
    if (this.left === 0) return this.#tooShort();
    const token = this.#bytes[this.#at++];
    if (token < 0xa0 || token >= 0xc0) return 'a key that is no short string';
    const length = token & 0x1f;
    if (length > this.left) return this.#tooShort();
    let key = '';
    for (const end = this.#at + length; this.#at < end; this.#at++) {
      const byte = this.#bytes[this.#at];
      // Not even an underscore: so `__proto__` is none, and a key needs no decoding to be compared.
      if (!isLetterOrDigit(byte)) return 'a key that is not of letters and digits';
      key += String.fromCharCode(byte);
    }
    if (keys.has(key)) return `the key ${key} twice`;
    keys.add(key);
    return null;
  }

  /** An integer of 64 bits: it must be one that a number holds exactly. */
  #wideInteger(signed: boolean): string | null {
    const start = this.#at;
    const wrong = this.#skip(8);
    if (wrong !== null) return wrong;
    const high = signed ? this.#view.getInt32(start) : this.#view.getUint32(start);
    return high >= 2 ** 21 || high < -(2 ** 21) ? 'an integer beyond 2^53' : null;
  }

  /** A length of so many bytes, big-endian; infinite if not even they are there. */
  #size(bytes: 1 | 2 | 4): number {
    const start = this.#at;
    if (bytes > this.left) return Number.POSITIVE_INFINITY;
    this.#at += bytes;
    if (bytes === 1) return this.#view.getUint8(start);
    return bytes === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }

  #skip(bytes: number): string | null {
    if (bytes > this.left) return this.#tooShort();
    this.#at += bytes;
    return null;
  }

  #tooShort(): string {
    return `cut off: it needs more than its ${this.#bytes.length} bytes`;
  }
}

const tooDeep = `more than ${controlDepth} arrays and maps inside one another`;

function isLetterOrDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39);
}
