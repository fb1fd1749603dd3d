/** Bulk frames: golden bytes, and everything that is no frame. */
import fc from 'fast-check';
import t from 'tap';
import {
  decodeFrame,
  encodeHeader,
  type Frame,
  floatsOf,
  frameTypes,
  headerBytes,
} from '../../../shared/wire/frame.ts';
import { fuzzInputs, slowestMs } from '../../helpers/fuzz.ts';
import { fromHex, toHex } from '../../helpers/hex.ts';

const seed = 20261123;
t.comment(`seed ${seed}`);

/** Bytes 40 to 59 of every header. */
const reserved = '00'.repeat(20);

/** Frames and their bytes by the layout in frame.ts; the checksums (CRC-32, zlib's) were computed elsewhere. */
const golden: readonly { readonly frame: Frame; readonly bytes: Uint8Array }[] = [
  {
    frame: {
      ...{ type: 'replica', run: 0xdeadbeef, step: 0, exchange: 0, lo: 0, hi: 0, panel: 3, microseconds: 0 },
      payload: fromHex('0000803f 000000c0'), // 1, −2
    },
    bytes: fromHex(`
      4c4b5346 0300 0100                    # magic, version, type
      efbeadde 00000000 00000000            # run, step, exchange
      00000000 00000000 03000000            # lo, hi, panel
      08000000 00000000 ${reserved}         # length, microseconds
      b2e260fd                              # checksum
      0000803f 000000c0
    `),
  },
  {
    frame: {
      ...{ type: 'partial', run: 1, step: 300, exchange: 2, lo: 8, hi: 16, panel: 0, microseconds: 12345 },
      payload: fromHex('0000803f'),
    },
    bytes: fromHex(`
      4c4b5346 0300 0200
      01000000 2c010000 02000000
      08000000 10000000 00000000
      04000000 39300000 ${reserved}
      9c6f679c
      0000803f
    `),
  },
  {
    frame: {
      ...{ type: 'total', run: 1, step: 300, exchange: 2, lo: 0, hi: 10, panel: 0, microseconds: 0 },
      payload: fromHex('0000803f'),
    },
    bytes: fromHex(`
      4c4b5346 0300 0300
      01000000 2c010000 02000000
      00000000 0a000000 00000000
      04000000 00000000 ${reserved}
      c669c256
      0000803f
    `),
  },
  {
    frame: {
      ...{ type: 'evaluation', run: 1, step: 938, exchange: 0, lo: 0, hi: 79, panel: 0, microseconds: 500 },
      payload: fromHex('0000803f 07'),
    },
    bytes: fromHex(`
      4c4b5346 0300 0400
      01000000 aa030000 00000000
      00000000 4f000000 00000000
      05000000 f4010000 ${reserved}
      6e316707
      0000803f 07
    `),
  },
  {
    frame: {
      ...{ type: 'data', run: 2 ** 32 - 1, step: 0, exchange: 0, lo: 0, hi: 0, panel: 54 },
      ...{ microseconds: 2 ** 32 - 1, payload: fromHex('') },
    },
    bytes: fromHex(`
      4c4b5346 0300 0500
      ffffffff 00000000 00000000
      00000000 00000000 36000000
      00000000 ffffffff ${reserved}
      2ec1939a
    `),
  },
];

function encode({ payload, ...header }: Frame): Uint8Array {
  return Uint8Array.from(Buffer.concat([encodeHeader(header, payload.length), payload]));
}

t.test('there is a golden frame of every type', (t) => {
  t.same(
    golden.map(({ frame }) => frame.type),
    frameTypes,
  );
  t.end();
});

for (const { frame, bytes } of golden) {
  t.test(`${frame.type}: the golden bytes are written and read`, (t) => {
    t.equal(toHex(encode(frame)), toHex(bytes));
    t.same(decodeFrame(bytes), frame);
    t.end();
  });

  t.test(`${frame.type}: cut at any byte, or longer by one, it is none`, (t) => {
    for (let length = 0; length < bytes.length; length++) {
      const reason = decodeFrame(bytes.subarray(0, length));
      if (typeof reason !== 'string') t.fail(`cut after ${length} bytes it was read`);
    }
    t.equal(
      decodeFrame(Uint8Array.from([...bytes, 0])),
      `${frame.payload.length + 1} bytes of payload, its header says ${frame.payload.length}`,
    );
    t.end();
  });

  t.test(`${frame.type}: any flipped bit of the header is noticed`, (t) => {
    for (let bit = 0; bit < 8 * headerBytes; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      if (typeof decodeFrame(flipped) !== 'string') t.fail(`bit ${bit} was flipped and the frame read`);
    }
    t.end();
  });
}

t.test('every header comes back, wherever in a buffer it lies', (t) => {
  const word = fc.nat(2 ** 32 - 1);
  const frame = fc.record({
    type: fc.constantFrom(...frameTypes),
    ...{ run: word, step: word, exchange: word, lo: word, hi: word, panel: word, microseconds: word },
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(frame, fc.nat(7), (frame, offset) => {
      const buffer = Buffer.concat([Buffer.alloc(offset, 0xee), encode(frame), Buffer.alloc(3, 0xee)]);
      const read = decodeFrame(buffer.subarray(offset, buffer.length - 3));
      return typeof read !== 'string' && toHex(encode(read)) === toHex(encode(frame));
    }),
    { seed },
  );
  t.end();
});

const { payload: _, ...header } = golden[1].frame;

/** The golden partial with a byte of its header changed and the checksum made right again. */
function forged(offset: number, value: number): Uint8Array {
  const bytes = Uint8Array.from(golden[1].bytes);
  bytes[offset] = value;
  new DataView(bytes.buffer).setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** CRC-32 bit by bit (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

t.test('what is no frame is refused with the reason', (t) => {
  t.equal(toHex(forged(8, 1)), toHex(golden[1].bytes), 'forging nothing leaves the golden bytes');
  t.equal(decodeFrame(new Uint8Array(63)), '63 bytes, expected at least 64');
  t.equal(decodeFrame(forged(0, 0x47)), 'not a frame of Lockstep');
  t.equal(decodeFrame(forged(4, 9)), 'protocol version 9, expected 3');
  t.equal(decodeFrame(forged(6, 0)), 'a frame of unknown type');
  t.equal(decodeFrame(forged(6, 6)), 'a frame of unknown type');
  t.equal(decodeFrame(forged(48, 1)), 'a header with unknown fields');
  t.equal(decodeFrame(forged(59, 1)), 'a header with unknown fields');
  t.equal(decodeFrame(forged(35, 0xff)), '4 bytes of payload, its header says 4278190084');
  t.equal(decodeFrame(Uint8Array.from(golden[1].bytes).fill(7, 60, 64)), 'a header whose checksum is wrong');
  t.end();
});

t.test('lengths from 2^31 on are written exactly, and longer ones not at all', (t) => {
  for (const length of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    const view = new DataView(encodeHeader(header, length).buffer);
    t.equal(view.getUint32(32, true), length);
  }
  t.throws(() => encodeHeader(header, 2 ** 32), /byte 32 of a header: got 4294967296/);
  t.end();
});

t.test('a header with a number that it cannot hold is not written', (t) => {
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 32]) {
    for (const field of ['run', 'step', 'exchange', 'lo', 'hi', 'panel']) {
      t.throws(() => encodeHeader({ ...header, [field]: wrong }, 0), /expected an integer below 2\^32/);
    }
  }
  t.end();
});

t.test('microseconds are rounded, and no more than fit', (t) => {
  const sent = (microseconds: number): number => {
    const frame = decodeFrame(encodeHeader({ ...header, microseconds }, 0));
    return typeof frame === 'string' ? Number.NaN : frame.microseconds;
  };
  t.equal(sent(1.6), 2);
  t.equal(sent(1e12), 2 ** 32 - 1);
  t.throws(() => sent(-1));
  t.throws(() => sent(Number.NaN));
  t.end();
});

t.test('numbers of an aligned payload are a view, of another a copy', (t) => {
  const memory = new Uint8Array(new ArrayBuffer(96));
  const [{ bytes }] = golden;
  for (const offset of [0, 1, 2, 3, 4]) {
    // As Uint8Array and as Buffer, whose `slice` is no copy.
    for (const whole of [memory, Buffer.from(memory.buffer)]) {
      whole.set(bytes, offset);
      const frame = decodeFrame(whole.subarray(offset, offset + bytes.length));
      const floats = floatsOf(typeof frame === 'string' ? new Uint8Array() : frame.payload);
      t.same([...floats], [1, -2], `at offset ${offset}`);
      t.equal(floats.buffer === memory.buffer, offset % 4 === 0, 'a view where it is aligned');
    }
  }
  t.throws(() => floatsOf(new Uint8Array(6)), /6 bytes are no whole number of binary32 numbers/);
  t.end();
});

t.test('50,000 inputs that are mostly none: nothing is thrown, none takes 5 ms', (t) => {
  const samples = golden.map(({ bytes }) => bytes);
  let read = 0;
  const slowest = slowestMs(fuzzInputs(50_000, seed, samples), 5, (bytes) => {
    const frame = decodeFrame(bytes);
    if (typeof frame === 'string') return;
    read++;
    if (toHex(encode(frame)) !== toHex(bytes)) t.fail(`read as something else: ${toHex(bytes)}`);
  });
  t.ok(slowest <= 5, `the slowest took ${slowest.toFixed(3)} ms`);
  t.ok(read > 500 && read < 25_000, `${read} were frames, with another payload`);
  t.end();
});
