/** Every kind of PNG, and what a broken one is refused with. */
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { decodePng } from '../../../scripts/images/png.ts';
import { LockstepError } from '../../../shared/errors.ts';
import {
  channelsOf,
  chunk,
  encodePng,
  headerOf,
  type PngSpec,
  rawOf,
  resealed,
  signature,
} from '../../helpers/png.ts';
import { randomWords } from '../../helpers/values.ts';

const seed = 20261123;
t.comment(`seed ${seed}`);

const kinds: readonly (readonly [colourType: number, depths: readonly number[]])[] = [
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
];

const decode = (bytes: Uint8Array) => decodePng(bytes, 'a.png');

/** The grey of a pixel over white, from the words of the standard. */
function expectedGrey(
  { depth, colourType }: PngSpec,
  samples: readonly number[],
  palette: Uint8Array,
): number {
  const [a, b, c, d] = samples.map((sample) => (255 * sample) / (2 ** depth - 1));
  const luminance = (red: number, green: number, blue: number) => 0.299 * red + 0.587 * green + 0.114 * blue;
  const overWhite = (grey: number, opacity: number) => (grey * opacity + 255 * (255 - opacity)) / 255;
  switch (colourType) {
    case 0:
      return a;
    case 2:
      return luminance(a, b, c);
    case 3:
      return luminance(palette[3 * samples[0]], palette[3 * samples[0] + 1], palette[3 * samples[0] + 2]);
    case 4:
      return overWhite(a, b);
    default:
      return overWhite(luminance(a, b, c), d);
  }
}

t.test(
  'every colour type, depth, size and filter, interlaced or not, gives the grey of its pixels',
  async (t) => {
    const random = randomWords(seed);
    let images = 0;
    let worst = 0;
    for (const [colourType, depths] of kinds) {
      for (const depth of depths) {
        for (const interlaced of [false, true]) {
          for (const [width, height] of [
            [1, 1],
            [3, 2],
            [5, 9],
            [17, 8],
            [28, 28],
          ]) {
            const channels = channelsOf(colourType);
            const samples = Array.from({ length: width * height * channels }, () => random() % 2 ** depth);
            const palette = Uint8Array.from({ length: 3 * 2 ** Math.min(8, depth) }, () => random() & 255);
            const spec: PngSpec = {
              ...{ width, height, depth, colourType, interlaced, samples },
              filterOf: () => random() % 5,
              // White is named, so that light images with holes show it too.
              chunks:
                colourType === 3
                  ? { PLTE: palette }
                  : { tEXt: Buffer.from('a\0b'), bKGD: background(colourType, depth) },
            };
            const image = await decode(encodePng(spec));
            t.equal(image.width * image.height, image.values.length);
            t.strictSame([image.width, image.height], [width, height]);
            for (const [i, value] of image.values.entries()) {
              const pixel = samples.slice(i * channels, (i + 1) * channels);
              worst = Math.max(worst, Math.abs(value - expectedGrey(spec, pixel, palette)));
            }
            images++;
          }
        }
      }
    }
    // Three roundings to binary32 of numbers up to 255.
    t.ok(worst <= 3 * 255 * 2 ** -24, `${images} images, at most ${worst} off`);
  },
);

function background(colourType: number, depth: number): Buffer {
  const words = colourType === 2 || colourType === 6 ? 3 : 1;
  return Buffer.concat(
    Array.from({ length: words }, () => Buffer.of((2 ** depth - 1) >> 8, (2 ** depth - 1) & 255)),
  );
}

t.test('grey of eight bits comes out to the byte', async (t) => {
  const samples = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const colourType of [0, 2]) {
    const all = colourType === 0 ? samples : Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
    const { values } = await decode(encodePng({ width: 16, height: 16, depth: 8, colourType, samples: all }));
    t.strictSame(Uint8Array.from(values), samples, `colour type ${colourType}`);
    t.ok(values.every(Number.isInteger));
  }
});

/** Written by Pillow 9.4, 3×2 pixels, with the grey that it gives them (over white). */
const pillow: Readonly<Record<string, readonly [file: string, values: readonly number[]]>> = {
  grey: [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNgSPnP9J+BEQAKYQJmMVCebAAAAABJRU5ErkJggg==',
    [0, 100, 255, 255, 100, 0],
  ],
  'grey with opacity': [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAQAAAA3fa6RAAAAFklEQVR4nGNg+J/S8P8/w3+GlP8MDgAxBAaEjLYBpwAAAABJRU5ErkJggg==',
    [0, 177, 255, 255, 100, 191],
  ],
  colour: [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGElEQVR4nGP4z8DAAMFcInL///9nYGAAAD2kBje+XFOFAAAAAElFTkSuQmCC',
    [76, 150, 29, 18, 255, 0],
  ],
  palette: [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAMAAACqqpYoAAADAFBMVEX///8A/wAKFB7/AAAAAP8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABIWqG6AAAAEElEQVR4nGNgZmRhYGJgBQAAQgAQdSNBagAAAABJRU5ErkJggg==',
    [76, 150, 29, 18, 255, 0],
  ],
  bits: [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQAAAAC1D1u3AAAADElEQVR4nGNQYEoAAADIAIMo6BN9AAAAAElFTkSuQmCC',
    [0, 0, 255, 255, 0, 0],
  ],
  'sixteen bits': [
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACEAAAAADoj+WFAAAAFklEQVR4nGNgYEhJ+f+f6f9/BgZGRgAkNwTJW3kaMwAAAABJRU5ErkJggg==',
    [0, 100, 255, 255, 100, 0],
  ],
};

t.test('files of another program', async (t) => {
  for (const [name, [file, expected]] of Object.entries(pillow)) {
    const { values } = await decode(Buffer.from(file, 'base64'));
    t.strictSame(
      Array.from(values, (value) => Math.round(value)),
      expected,
      name,
    );
  }
});

t.test('what is transparent shows the named ground, or one on which the drawing is seen', async (t) => {
  const spec = (grey: number, more = {}) =>
    encodePng({ width: 2, height: 1, depth: 8, colourType: 4, samples: [grey, 255, 77, 0], ...more });
  const greys = async (bytes: Uint8Array) => Array.from((await decode(bytes)).values);
  t.strictSame(await greys(spec(0)), [0, 255], 'black is seen on white');
  t.strictSame(await greys(spec(255)), [255, 0], 'white is seen on black');
  t.strictSame(
    await greys(spec(255, { chunks: { bKGD: Buffer.of(0, 99) } })),
    [255, 99],
    'a ground that is named',
  );
  const hidden = { width: 2, height: 1, depth: 8, colourType: 0, samples: [9, 70] };
  t.strictSame(
    await greys(encodePng({ ...hidden, chunks: { tRNS: Buffer.of(0, 70) } })),
    [9, 255],
    'one grey',
  );
  const palette = { PLTE: Buffer.of(0, 0, 0, 50, 50, 50), tRNS: Buffer.of(255, 0) };
  t.strictSame(
    await greys(
      encodePng({ width: 2, height: 1, depth: 1, colourType: 3, samples: [0, 1], chunks: palette }),
    ),
    [0, 255],
    'a colour of a palette',
  );
  const nothing = { width: 1, height: 1, depth: 8, colourType: 4, samples: [9, 0] };
  t.strictSame(await greys(encodePng(nothing)), [255], 'nothing at all is white');
});

t.test('a large image is averaged by squares while it is read', async (t) => {
  const [width, height] = [1025, 257];
  // Left half black, right half white, in single bits.
  const samples = Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? 0 : 1));
  for (const interlaced of [false, true]) {
    const image = await decode(encodePng({ width, height, depth: 1, colourType: 0, interlaced, samples }));
    t.strictSame([image.width, image.height], [513, 129], 'squares of 2×2');
    const sum = image.values.reduce((a, b) => a + b, 0);
    t.equal(
      sum / image.values.length,
      255 * (256.5 / 513),
      'half of it is white, the cut cells at the edge too',
    );
  }
});

const whole: PngSpec = { width: 4, height: 4, depth: 8, colourType: 0, samples: new Uint8Array(16) };
const bytes = encodePng(whole);
const pixelsOf = (packed: Uint8Array) => fileOf(whole, packed);

function fileOf(spec: PngSpec, packed: Uint8Array): Buffer {
  return Buffer.concat([
    signature,
    chunk('IHDR', headerOf(spec)),
    chunk('IDAT', packed),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const refused = async (bytes: Uint8Array): Promise<string> => {
  const error: unknown = await decode(bytes).catch((error: unknown) => error);
  return error instanceof LockstepError && error.code === 'DATA' ? error.message : `not refused: ${error}`;
};

t.test('what is no whole PNG is refused with the reason', async (t) => {
  const header = (changes: Partial<PngSpec>) => fileOf({ ...whole, ...changes }, deflateSync(rawOf(whole)));
  const cases: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
    'no end': [bytes.subarray(0, -12), /it ends after \d+ bytes without the chunk IEND/],
    'a flipped bit': [
      Uint8Array.from(bytes, (b, i) => (i === 20 ? b ^ 1 : b)),
      /"IHDR" at 8 has another checksum/,
    ],
    'a chunk past the end': [
      resealed(
        Buffer.concat([bytes.subarray(0, 33), Buffer.from('7fffffff49444154', 'hex'), bytes.subarray(33)]),
      ),
      /chunk "IDAT" is said to have 2147483647 bytes, got \d+/,
    ],
    'no header': [
      Buffer.concat([signature, chunk('IDAT', Buffer.alloc(1))]),
      /the first chunk, and no other/,
    ],
    'two headers': [
      Buffer.concat([bytes.subarray(0, 33), bytes.subarray(8)]),
      /the first chunk, and no other, must be IHDR/,
    ],
    'a short header': [
      Buffer.concat([signature, chunk('IHDR', Buffer.alloc(12)), chunk('IEND', Buffer.alloc(0))]),
      /12 bytes, expected 13/,
    ],
    'no width': [header({ width: 0 }), /got 0×4 pixels, expected sides of 1 to 65535/],
    'too wide': [header({ width: 65_536 }), /got 65536×4 pixels/],
    'too many pixels': [header({ width: 60_000, height: 60_000 }), /at most 100000000 pixels in all/],
    'more than its bytes can be': [
      header({ width: 9000, height: 9000 }),
      /cannot unpack to the 81009000 of 9000×9000/,
    ],
    'a colour type that is none': [header({ colourType: 5 }), /colour type 5 with 8 bits/],
    'a depth that is none': [header({ depth: 3 }), /colour type 0 with 3 bits/],
    'no palette': [header({ colourType: 3 }), /it has no palette/],
    'too few pixels': [pixelsOf(deflateSync(rawOf(whole).subarray(1))), /the pixels end too early/],
    'too many rows': [
      pixelsOf(deflateSync(Buffer.concat([rawOf(whole), Buffer.alloc(5)]))),
      /more pixels than its header says/,
    ],
    'pixels that are not packed': [pixelsOf(rawOf(whole)), /the pixels cannot be unpacked \(.+\)/],
    'pixels cut off': [
      pixelsOf(deflateSync(rawOf(whole)).subarray(0, -5)),
      /the pixels cannot be unpacked \(unexpected end of file\)/,
    ],
    'a filter that is none': [
      pixelsOf(deflateSync(Buffer.alloc(20, 5))),
      /row 0 has the filter 5, expected 0 to 4/,
    ],
    'no pixels at all': [
      Buffer.concat([bytes.subarray(0, 33), bytes.subarray(-12)]),
      /its 0 bytes of pixels cannot unpack/,
    ],
    'a colour outside of the palette': [
      encodePng({
        ...whole,
        colourType: 3,
        samples: new Array(16).fill(7),
        chunks: { PLTE: Buffer.alloc(6) },
      }),
      /a pixel has colour 7 of 2/,
    ],
    'a palette of odd length': [
      encodePng({ ...whole, colourType: 3, chunks: { PLTE: Buffer.alloc(7) } }),
      /the palette has 7 bytes/,
    ],
    'a ground of another length': [
      encodePng({ ...whole, chunks: { bKGD: Buffer.alloc(1) } }),
      /chunk bKGD has 1 bytes, expected 2/,
    ],
    'an unknown chunk that matters': [
      encodePng({ ...whole, chunks: { ABCD: Buffer.alloc(1) } }),
      /chunk "ABCD" is unknown/,
    ],
  };
  for (const [name, [file, says]] of Object.entries(cases)) {
    const message = await refused(file);
    t.match(message, says, `${name}: ${message}`);
    t.match(message, /^a\.png: [^\n]+; is this a whole PNG file\?$/, name);
  }
  t.ok(await decode(bytes), 'and the one that they were made of is not');
});

t.test('every truncation and every flipped bit is refused', async (t) => {
  const read = [];
  for (let length = 8; length < bytes.length; length++) {
    if (!(await refused(bytes.subarray(0, length))).startsWith('a.png')) read.push(`length ${length}`);
  }
  for (let bit = 64; bit < 8 * bytes.length; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    if (!(await refused(flipped)).startsWith('a.png')) read.push(`bit ${bit}`);
  }
  t.same(read, []);
});
