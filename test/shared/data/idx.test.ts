import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type IdxKind, idxDigest, openIdx, readIdx } from '../../../shared/data/idx.ts';
import { LockstepError } from '../../../shared/errors.ts';

const seed = 20260728;
t.comment(`fast-check seed ${seed}`);

/** Payload bytes that no compressor shrinks. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Big-endian 32-bit words. */
function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

function imagesFile(samples: number): Buffer {
  return Buffer.concat([words(0x00000803, samples, 28, 28), noise(samples * 784)]);
}

function labelsFile(samples: number): Buffer {
  return Buffer.concat([words(0x00000801, samples), noise(samples)]);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function readWhole(path: string, kind: IdxKind): Promise<{ payload: Uint8Array; digest: string }> {
  const idx = openIdx(path, kind);
  const payload = new Uint8Array(idx.payloadBytes);
  return { payload, digest: await readIdx(idx, payload) };
}

const folder = t.testdir({});
let written = 0;

/** Writes a file of a new name into the test's folder and returns its path. */
function write(bytes: Uint8Array): string {
  const path = join(folder, `file-${written++}`);
  writeFileSync(path, bytes);
  return path;
}

async function errorOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

/** Expects a data error of one line that names the file, from opening it or from reading it. */
async function refusesPath(test: Test, path: string, kind: IdxKind, pattern: RegExp): Promise<void> {
  const thrown = await errorOf(() => readWhole(path, kind));
  if (!(thrown instanceof LockstepError)) {
    test.fail('a LockstepError is thrown', { found: thrown });
    return;
  }
  test.equal(thrown.code, 'DATA');
  test.match(thrown.message, pattern);
  test.ok(thrown.message.startsWith(`${JSON.stringify(path)}: `), 'the file is named');
  test.notMatch(thrown.message, /[\n\r]/, 'the message is one line');
}

async function refuses(test: Test, bytes: Uint8Array, kind: IdxKind, pattern: RegExp): Promise<void> {
  await refusesPath(test, write(bytes), kind, pattern);
}

t.test('reads a plain and a gzip file to the same payload and digest', async (t) => {
  const whole = imagesFile(3000); // more than one piece of reading, of packing and of unpacking
  for (const bytes of [whole, gzipSync(whole, { level: 1 }), gzipSync(whole, { level: 9 })]) {
    const path = write(bytes);
    const idx = openIdx(path, 'images');
    t.match(idx, { path, kind: 'images', payloadBytes: 3000 * 784 });
    t.strictSame(idx.dims, [3000, 28, 28]);
    const { payload, digest } = await readWhole(path, 'images');
    t.ok(whole.subarray(16).equals(payload), 'the payload is that of the file');
    t.equal(digest, sha256(whole));
  }
  t.equal(idxDigest('images', whole.subarray(16)), sha256(whole), 'and of a file of this payload');
});

t.test('reads labels, down to a single one', async (t) => {
  for (const samples of [1, 5000]) {
    const whole = labelsFile(samples);
    for (const bytes of [whole, gzipSync(whole)]) {
      t.strictSame(openIdx(write(bytes), 'labels').dims, [samples]);
      const { payload, digest } = await readWhole(write(bytes), 'labels');
      t.ok(whole.subarray(8).equals(payload));
      t.equal(digest, sha256(whole));
    }
    t.equal(idxDigest('labels', whole.subarray(8)), sha256(whole));
  }
});

t.test('reads into a view on shared memory and nowhere beside it', async (t) => {
  const whole = imagesFile(2);
  for (const bytes of [whole, gzipSync(whole)]) {
    const memory = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xee);
    const idx = openIdx(write(bytes), 'images');
    t.equal(await readIdx(idx, memory.subarray(33, 33 + idx.payloadBytes)), sha256(whole));
    t.ok(whole.subarray(16).equals(memory.slice(33, 33 + idx.payloadBytes)));
    t.ok(memory.subarray(0, 33).every((byte) => byte === 0xee));
    t.ok(memory.subarray(33 + idx.payloadBytes).every((byte) => byte === 0xee));
  }
});

t.test('refuses a destination of another length as a bug of the caller', async (t) => {
  const idx = openIdx(write(labelsFile(5)), 'labels');
  await t.rejects(readIdx(idx, new Uint8Array(6)), { code: 'ERR_ASSERTION' });
});

t.test('refuses what is no regular file, and never waits for it', async (t) => {
  await refusesPath(t, join(folder, 'absent'), 'images', /cannot be read .*ENOENT/);
  await refusesPath(t, folder, 'images', /not a regular file/);
  await refusesPath(t, '/dev/zero', 'images', /not a regular file/);
  await refusesPath(t, '/proc/self/mem', 'images', /cannot be read \(EIO: i\/o error\)/); // regular, it says
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await refusesPath(t, fifo, 'images', /not a regular file/);
});

t.test('shows a hostile path as text', async (t) => {
  const thrown = await errorOf(() => readWhole(join(folder, 'a\n\u001b[31m\u009b'), 'images'));
  t.ok(thrown instanceof LockstepError);
  t.notMatch(String(thrown), /\p{Cc}/u, 'no control character');
});

t.test('refuses a header that is not that of the kind', async (t) => {
  const pack = [(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes)];
  for (const packed of pack) {
    await refuses(t, packed(Buffer.alloc(0)), 'images', /truncated: got 0 bytes of header, expected 16/);
    await refuses(t, packed(imagesFile(1).subarray(0, 15)), 'images', /got 15 bytes of header, expected 16/);
    await refuses(t, packed(labelsFile(1).subarray(0, 7)), 'labels', /got 7 bytes of header, expected 8/);
    await refuses(t, packed(labelsFile(20)), 'images', /got 0x00000801 \(labels\), expected 0x00000803/);
    await refuses(t, packed(imagesFile(1)), 'labels', /got 0x00000803 \(images\), expected 0x00000801/);
    await refuses(t, packed(words(0x00000d03, 1, 28, 28)), 'images', /got 0x00000d03, expected 0x00000803/);
    await refuses(t, packed(words(0x00000803, 0, 28, 28)), 'images', /got 0, expected 1 to 10000000/);
    await refuses(t, packed(words(0x00000803, 10_000_001, 28, 28)), 'images', /got 10000001, expected 1 to/);
    await refuses(t, packed(words(0x00000801, 0xffffffff)), 'labels', /got 4294967295, expected 1 to/);
    await refuses(t, packed(words(0x00000803, 1, 32, 32)), 'images', /got 32 x 32, expected 28 x 28/);
    await refuses(t, packed(words(0x00000803, 1, 784, 1)), 'images', /got 784 x 1, expected 28 x 28/);
  }
});

t.test('refuses a plain file that is truncated or too long', async (t) => {
  const whole = imagesFile(2);
  await refuses(t, whole.subarray(0, -1), 'images', /truncated: got 1583 bytes, expected 1584 /);
  await refuses(t, whole.subarray(0, 16), 'images', /truncated: got 16 bytes, expected 1584 /);
  await refuses(
    t,
    Buffer.concat([whole, Buffer.alloc(1)]),
    'images',
    /too long: got 1585 bytes, expected 1584 /,
  );
  await refuses(
    t,
    words(0x00000803, 10_000_000, 28, 28),
    'images',
    /truncated: got 16 bytes, expected 7840000016/,
  );
});

t.test('refuses a gzip file that is truncated, corrupt or of another size', async (t) => {
  const whole = imagesFile(400);
  const packed = gzipSync(whole);
  await refuses(t, packed.subarray(0, 5), 'images', /truncated: got 0 bytes of header/);
  await refuses(
    t,
    packed.subarray(0, packed.length >> 1),
    'images',
    /truncated gzip data after \d+ of 313616/,
  );
  await refuses(t, packed.subarray(0, -8), 'images', /truncated gzip data after 313616 of 313616/);
  await refuses(t, packed.subarray(0, -1), 'images', /truncated gzip data/);
  const wrongChecksum = Buffer.from(packed);
  wrongChecksum[packed.length - 8] ^= 1;
  await refuses(t, wrongChecksum, 'images', /corrupt gzip data \(incorrect data check\)/);
  const wrongStart = Buffer.from(packed);
  wrongStart[2] = 7;
  await refuses(t, wrongStart, 'images', /corrupt gzip data \(unknown compression method\) near the start/);
  await refuses(t, gzipSync(whole.subarray(0, -1)), 'images', /unpacks to 313615 bytes, expected 313616/);
  await refuses(
    t,
    gzipSync(Buffer.concat([whole, noise(1)])),
    'images',
    /unpacks to more bytes, expected 313616/,
  );
});

t.test('refuses anything after the gzip data, wherever a piece of reading ends', async (t) => {
  const whole = imagesFile(84);
  const packed = gzipSync(whole.subarray(0, 65_513), { level: 0 });
  t.equal(packed.length, 65_536, 'the first member is exactly what is read at once');
  const twoMembers = Buffer.concat([packed, gzipSync(whole.subarray(65_513), { level: 0 })]);
  t.equal((await readWhole(write(twoMembers), 'images')).digest, sha256(whole), 'members are one file');
  const threeMembers = Buffer.concat([packed, gzipSync(''), gzipSync(whole.subarray(65_513))]);
  t.equal(
    (await readWhole(write(threeMembers), 'images')).digest,
    sha256(whole),
    'an empty one adds nothing',
  );

  const small = gzipSync(labelsFile(65_505), { level: 0 });
  t.equal(small.length, 65_536);
  for (const good of [small, gzipSync(labelsFile(65_505))]) {
    for (const tail of [Buffer.alloc(1), Buffer.alloc(10), Buffer.alloc(300_000)]) {
      const bytes = Buffer.concat([good, tail]);
      await refuses(t, bytes, 'labels', /expected the file to end with its gzip data after \d+;/);
    }
    await refuses(t, Buffer.concat([good, gzipSync(noise(1))]), 'labels', /unpacks to more bytes/);
    await refuses(t, Buffer.concat([good, Buffer.from('garbage')]), 'labels', /corrupt gzip data/);
    await refuses(t, Buffer.concat([good, Buffer.from([0x1f, 0x8b])]), 'labels', /truncated gzip data/);
    await refuses(
      t,
      Buffer.concat([good, Buffer.alloc(1), noise(200_000)]),
      'labels',
      /expected the file to end with its gzip data/,
    );
  }
});

t.test('refuses a header that a gzip file of this size cannot keep, before anything is allocated', (t) => {
  const path = write(gzipSync(words(0x00000803, 10_000_000, 28, 28)));
  t.throws(() => openIdx(path, 'images'), {
    code: 'DATA',
    message: /bytes of gzip, which cannot unpack to the/,
  });
  t.end();
});

t.test('stops unpacking a gzip bomb at the announced size', async (t) => {
  const zeros = gzipSync(Buffer.alloc(1 << 24));
  const gigabyte = Buffer.concat(new Array<Buffer>(64).fill(zeros));
  // The damage at the end would be reported by a reader that unpacked so far.
  const late = Buffer.concat([gzipSync(imagesFile(1)), gigabyte, Buffer.from('damaged')]);
  const peakKilobytes = process.resourceUsage().maxRSS;
  await refuses(t, late, 'images', /unpacks to more bytes, expected 800/);
  await refuses(t, gigabyte, 'images', /magic number in bytes 0-3: got 0x00000000/);
  const grownKilobytes = process.resourceUsage().maxRSS - peakKilobytes;
  t.ok(grownKilobytes < 64 * 1024, `memory grew by ${grownKilobytes} KiB, less than 64 MiB`);
});

t.test('refuses a file that changed since it was opened', async (t) => {
  for (const packed of [(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes)]) {
    const path = write(packed(imagesFile(2)));
    const idx = openIdx(path, 'images');
    const destination = new Uint8Array(idx.payloadBytes);
    writeFileSync(path, packed(imagesFile(3)));
    await t.rejects(readIdx(idx, destination), { code: 'DATA', message: /changed while it was read/ });
    truncateSync(path, 20);
    await t.rejects(readIdx(idx, destination), { code: 'DATA', message: /truncated/ });
    rmSync(path);
    await t.rejects(readIdx(idx, destination), { code: 'DATA', message: /ENOENT/ });
    mkdirSync(path);
    await t.rejects(readIdx(idx, destination), { code: 'DATA', message: /not a regular file/ });
  }
});

t.test('closes every file, whatever is wrong with it', async (t) => {
  const openFiles = (): number => readdirSync('/proc/self/fd').length;
  const whole = imagesFile(400);
  const packed = gzipSync(whole);
  const flawed = Buffer.from(packed);
  flawed[packed.length >> 1] ^= 0xff;
  const paths = [
    whole,
    packed,
    flawed,
    whole.subarray(1),
    packed.subarray(0, -1),
    Buffer.concat([packed, Buffer.alloc(100_000)]),
    Buffer.concat([packed, packed]),
  ].map(write);
  const before = openFiles();
  for (const path of [...paths, folder]) await errorOf(() => readWhole(path, 'images'));
  t.equal(openFiles(), before);
});

t.test('never takes a changed header or size of a plain file for a good one', async () => {
  const plainFile = fc
    .tuple(fc.constantFrom<IdxKind>('images', 'labels'), fc.integer({ min: 1, max: 3 }))
    .map(([kind, samples]) => ({
      kind,
      bytes: kind === 'images' ? imagesFile(samples) : labelsFile(samples),
    }));
  const path = join(folder, 'property-plain');
  await fc.assert(
    fc.asyncProperty(plainFile, fc.nat(), fc.integer({ min: -3000, max: 40 }), async (file, flip, change) => {
      const { kind, bytes } = file;
      const flipped = Buffer.from(bytes);
      const bit = flip % (kind === 'images' ? 128 : 64);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      const size = Math.max(0, bytes.length + (change === 0 ? 1 : change));
      const resized = Buffer.alloc(size);
      bytes.copy(resized);
      for (const wrong of [flipped, resized]) {
        writeFileSync(path, wrong);
        const thrown = await errorOf(() => readWhole(path, kind));
        if (!(thrown instanceof LockstepError)) throw new Error('accepted, or crashed', { cause: thrown });
      }
    }),
    { seed, numRuns: 500 },
  );
});

t.test('reads a damaged gzip file to the same bytes or not at all', async (t) => {
  const whole = Buffer.concat([words(0x00000801, 3000), Buffer.alloc(2000, 7), noise(1000)]);
  const packed = gzipSync(whole);
  const path = join(folder, 'property-gzip');
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: packed.length * 8 - 1 }), fc.boolean(), async (bit, cut) => {
      const wrong = Buffer.from(packed.subarray(0, cut ? bit >> 3 : packed.length));
      if (!cut) wrong[bit >> 3] ^= 1 << (bit & 7);
      writeFileSync(path, wrong);
      const thrown = await errorOf(async () => {
        const { digest } = await readWhole(path, 'labels');
        if (cut || digest !== sha256(whole)) throw new Error('accepted');
      });
      if (thrown === undefined) return; // a bit that says nothing of the content: the time, the name's flag
      if (!(thrown instanceof LockstepError)) throw new Error('accepted, or crashed', { cause: thrown });
      refused++;
    }),
    // The first bits are gzip's own header, where the flags turn bytes into something else.
    { seed, numRuns: 1000, examples: Array.from({ length: 80 }, (_, bit) => [bit, false]) },
  );
  t.ok(refused > 800, `${refused} were refused`);
});

t.test('refuses arbitrary bytes, with and without a good beginning', async () => {
  const beginnings = [
    Buffer.alloc(0),
    Buffer.from([0x1f, 0x8b]),
    Buffer.from([0x1f, 0x8b, 8, 0]),
    words(0x803),
  ];
  const path = join(folder, 'property-arbitrary');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...beginnings),
      fc.uint8Array({ maxLength: 64 }),
      async (start, rest) => {
        writeFileSync(path, Buffer.concat([start, rest]));
        const thrown = await errorOf(() => readWhole(path, 'images'));
        if (!(thrown instanceof LockstepError)) throw new Error('accepted, or crashed', { cause: thrown });
      },
    ),
    { seed, numRuns: 1000 },
  );
});
