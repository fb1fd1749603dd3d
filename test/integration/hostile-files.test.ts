/** Files that somebody made to do harm: 50,000 of each kind are refused or read, quickly, in little memory. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { rawBytes } from '../../scripts/images/png-rows.ts';
import { train } from '../../scripts/index.ts';
import { idxHeader } from '../../shared/data/idx.ts';
import { type HostileKind, type HostileResult, limitMs } from '../helpers/hostile-files.ts';
import { channelsOf, chunk, encodePng, headerOf, signature } from '../helpers/png.ts';
import { fileWith } from '../helpers/safetensors-file.ts';
import { idxFile, tinyPixels } from '../helpers/tiny-data.ts';
import { randomWords } from '../helpers/values.ts';

const seed = 20261123;
const count = 50_000;
/** Beside twice the file. */
const mostBytes = 16 * 2 ** 20;
const deadlineMs = 240_000;

t.setTimeout(3 * deadlineMs);
t.comment(`seed ${seed}`);

const program = fileURLToPath(new URL('../helpers/hostile-files.js', import.meta.url));

type Files = Readonly<Record<string, Uint8Array>>;

async function hold(t: Test, kind: HostileKind, samples: Files, bombs: Files): Promise<void> {
  const folder = t.testdir();
  for (const [name, files] of Object.entries({ samples, bombs })) {
    mkdirSync(join(folder, name));
    for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, name, file), bytes);
  }
  // A small nursery: what is thrown away at once is no memory that a file takes.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const args = [...flags, program, kind, String(count), String(seed), folder];
  // Counting what is covered takes memory and time, too.
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: deadlineMs, env });
  const result = JSON.parse(stdout) as HostileResult;
  t.comment(stdout.trim());
  t.equal(result.read + result.refused, count + Object.keys(bombs).length, 'each was read or refused');
  t.ok(result.read > 0 && result.refused > count / 2, `${result.read} were read, ${result.refused} refused`);
  t.ok(result.slowestMs < limitMs, `the slowest took ${result.slowestMs} ms`);
  t.ok(result.grownBytes <= mostBytes, `memory grew by ${result.grownBytes} bytes`);
  for (const [name, bytes] of Object.entries(result.bombs)) {
    t.ok(bytes <= mostBytes, `${name}: memory grew by ${bytes} bytes beside twice the file`);
  }
}

t.test('models', async (t) => {
  const split = () => {
    const { pixels: images, digits: labels } = tinyPixels(20);
    return { images, labels };
  };
  const { model } = await train({
    data: { train: split(), test: split() },
    model: 'dense(1) batchnorm relu dense(10)',
    epochs: 1,
    threads: 1,
  });
  const path = join(t.testdir(), 'm');
  model.save(path);
  const whole = readFileSync(path);
  const f32 = (shape: number[], from: number, to: number) => ({
    dtype: 'F32',
    shape,
    data_offsets: [from, to],
  });
  const names = (length: number) => Array.from({ length }, (_, i) => `"${i.toString(36)}":0`).join();
  const empty = (length: number) =>
    Array.from({ length }, (_, i) => [i.toString(36), f32([0], 0, 0)] as const);
  await hold(
    t,
    'model',
    {
      whole,
      foreign: fileWith({ a: f32([2, 2], 0, 16), b: { ...f32([1], 16, 18), dtype: 'F16' } }, 18),
      // Its tensors are where they should be, its numbers are cut short.
      beginning: whole.subarray(0, 2000),
    },
    {
      'a header of many names': fileWith(`{${names(110_000)}}`, 0),
      'a header of many empty tensors': fileWith(Object.fromEntries(empty(18_000)), 0),
      'a header of empty lists': fileWith(`{"a":[${'[],'.repeat(78_000)}0]}`, 0),
      'a header of lists': fileWith(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 0),
      'a tensor beyond the end': fileWith({ a: f32([2 ** 30], 0, 2 ** 32) }, 100),
    },
  );
});

t.test('PNG', async (t) => {
  const random = randomWords(seed);
  const picture = (colourType: number, depth: number, interlaced: boolean, side: number, chunks = {}) =>
    encodePng({
      ...{ width: side, height: side, depth, colourType, interlaced, chunks },
      samples: Array.from({ length: side * side * channelsOf(colourType) }, () => random() % 2 ** depth),
      filterOf: () => random() % 5,
    });
  await hold(
    t,
    'png',
    {
      grey: picture(0, 8, false, 28),
      bits: picture(0, 1, true, 40),
      colour: picture(2, 8, true, 9),
      palette: picture(3, 4, false, 12, {
        PLTE: Buffer.alloc(48, 77),
        tRNS: Buffer.of(0, 9),
        bKGD: Buffer.of(1),
      }),
      deep: picture(6, 16, false, 6),
      hidden: picture(4, 8, true, 11, { bKGD: Buffer.of(0, 50) }),
    },
    {
      'black, 9000×9000': blank(9000, 9000, 8, 0),
      'black, 9000×9000, interlaced': blank(9000, 9000, 1, 0, true),
      'colours, 65535×100': blank(65_535, 100, 16, 6),
    },
  );
});

/** A whole PNG of zeros, packed as tightly as can be. */
function blank(width: number, height: number, depth: number, colourType: number, interlaced = false): Buffer {
  const spec = { width, height, depth, colourType, interlaced };
  return Buffer.concat([
    signature,
    chunk('IHDR', headerOf(spec)),
    chunk('IDAT', deflateSync(Buffer.alloc(rawBytes({ ...spec, channels: channelsOf(colourType) })))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

t.test('IDX', async (t) => {
  const { pixels } = tinyPixels(1);
  const labels = idxFile('labels', Uint8Array.of(1));
  const images = idxFile('images', pixels);
  const many = Buffer.concat([idxHeader('images', 100_000), Buffer.alloc(78_400_000)]);
  await hold(
    t,
    'idx',
    {
      images,
      labels,
      packed: gzipSync(images),
      short: images.subarray(0, 100),
      tight: gzipSync(images, { level: 0 }),
    },
    {
      'zeros in gzip': gzipSync(many),
      'a header that promises more': Buffer.concat([idxHeader('images', 9_999_999), Buffer.alloc(1000)]),
      'a packed one': gzipSync(Buffer.concat([idxHeader('images', 9_999_999), Buffer.alloc(2 ** 24)])),
    },
  );
});
