/** Files with images: told apart by what is in them, the first ones read, what is broken refused. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { readImages } from '../../../scripts/index.ts';
import { encodePng } from '../../helpers/png.ts';
import { rejection } from '../../helpers/rejection.ts';
import { idxFile } from '../../helpers/tiny-data.ts';
import { randomWords } from '../../helpers/values.ts';

const folder = t.testdir();
const random = randomWords(20261123);
const noise = Uint8Array.from({ length: 5 * 784 }, () => random() & 255);

let written = 0;
function file(bytes: Uint8Array): string {
  const path = join(folder, `file-${written++}`);
  writeFileSync(path, bytes);
  return path;
}

t.test('raw bytes, IDX, IDX in gzip: all images, or the first', async (t) => {
  const files = {
    raw: file(noise),
    idx: file(idxFile('images', noise)),
    gzip: file(gzipSync(idxFile('images', noise))),
  };
  for (const [name, path] of Object.entries(files)) {
    t.strictSame(Uint8Array.from(await readImages(path)), noise, name);
    for (const first of [1, 3, 5, 6]) {
      const images = await readImages(path, { first });
      t.strictSame(Uint8Array.from(images), noise.slice(0, first * 784), `${name}: the first ${first}`);
    }
  }
});

t.test('of a large gzip file only the beginning is unpacked', async (t) => {
  const many = new Uint8Array(20_000 * 784);
  many.set(noise);
  const packed = gzipSync(idxFile('images', many));
  // What follows is never looked at.
  const path = file(Buffer.concat([packed.subarray(0, packed.length - 2000), Buffer.alloc(2000)]));
  t.strictSame(Uint8Array.from(await readImages(path, { first: 5 })), noise);
  t.match(await rejection(readImages(path), 'DATA'), /corrupt gzip data|unpacks to/);
});

t.test('a PNG is one image, as it is if it has 28×28 pixels', async (t) => {
  const samples = noise.slice(0, 784).map((value, i) => (i % 28 === 0 ? 0 : value >> 1));
  const spec = { width: 28, height: 28, depth: 8, colourType: 0, samples };
  t.strictSame(await readImages(file(encodePng(spec))), samples);
  t.equal(
    (await readImages(file(encodePng({ ...spec, width: 14, height: 56 })), { fit: 'whole' })).length,
    784,
  );
});

t.test('what cannot be read says why', async (t) => {
  const says = async (path: string, code: 'USAGE' | 'DATA', message: RegExp) =>
    t.match(await rejection(readImages(path), code), message);
  await says(
    join(folder, 'none'),
    'USAGE',
    /^readImages: there is no ".*none", expected a PNG, an IDX file or raw images/,
  );
  mkdirSync(join(folder, 'dir'));
  await says(join(folder, 'dir'), 'DATA', /not a regular file/);
  await says(
    file(new Uint8Array()),
    'DATA',
    /got 0 bytes that are neither PNG nor IDX, expected those or raw images of 784/,
  );
  await says(file(new Uint8Array(785)), 'DATA', /got 785 bytes that are neither/);
  await says(file(Buffer.from('\xff\xd8\xff\xe0 a photo', 'latin1')), 'DATA', /convert it to PNG/);
  await says(
    file(
      idxFile(
        'labels',
        noise.map((value) => value % 10),
      ),
    ),
    'DATA',
    /\(labels\), expected 0x00000803 \(images\)/,
  );
  await says(file(gzipSync(Buffer.from('something else'))), 'DATA', /header/);
  await says(
    file(encodePng({ width: 1, height: 1, depth: 8, colourType: 0, samples: [1] }).subarray(0, 50)),
    'DATA',
    /whole PNG/,
  );
});

t.test('options are checked', async (t) => {
  const path = file(noise);
  const says = async (options: object, message: RegExp) =>
    t.match(await rejection(readImages(path, options), 'USAGE'), message);
  await says({ fit: 'hole' }, /readImages: fit: got "hole", did you mean "whole"\?/);
  await says({ first: 1.5 }, /readImages: first: got 1.5, expected an integer ≥ 1/);
  await says({ first: 0 }, /readImages: first: got 0, expected an integer ≥ 1/);
  await says({ last: 1 }, /readImages: unknown option "last"/);
});
