/** The model's file: round trips, the digest over its data, and what a damaged one can do: be refused. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { LockstepError } from '../../../shared/errors.ts';
import { parseArchitecture } from '../../../shared/model/architecture.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsFile,
  snapshotFrom,
} from '../../../shared/model/safetensors.ts';
import { counterNames, type Snapshot, weightsDigest } from '../../../shared/model/snapshot.ts';
import { fileWith } from '../../helpers/safetensors-file.ts';
import { drawFloats, randomWords } from '../../helpers/values.ts';

const seed = 20261130;
t.comment(`seed ${seed}`);

const architecture = parseArchitecture('dense(3) batchnorm relu dense(2)', [5], 2, 'model');
const path = 'model.safetensors';

/** A snapshot with any bits but those of NaN. */
function randomSnapshot(seed: number): Snapshot {
  const random = randomWords(seed);
  return {
    tensors: new Map(
      architecture.tensors.map(({ name, shape }) => [
        name,
        drawFloats(
          shape.reduce((a, b) => a * b),
          random,
          'wild',
        ),
      ]),
    ),
    counters: new Map(
      counterNames(architecture).map((name) => [name, (BigInt(random()) * 0x1_0000_0001n) >> 1n]),
    ),
  };
}

function fileOf(snapshot: Snapshot, metadata: Record<string, string> = {}): Uint8Array {
  return new Uint8Array(Buffer.concat(encodeSafetensors(architecture, snapshot, metadata)));
}

const decode = (bytes: Uint8Array): SafetensorsFile => decodeSafetensors(bytes, path);

const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 });

t.test('what is encoded is decoded to the same bits, counters and metadata', (t) => {
  fc.assert(
    fc.property(fc.nat(), metadata, (start, metadata) => {
      const snapshot = randomSnapshot(start);
      const bytes = fileOf(snapshot, metadata);
      const file = decode(bytes);
      const back = snapshotFrom(file, architecture, path);
      const again = fileOf(back, file.metadata);
      return (
        JSON.stringify(file.metadata) === JSON.stringify(metadata) &&
        Buffer.compare(again, bytes) === 0 &&
        weightsDigest(back) === weightsDigest(snapshot)
      );
    }),
    { seed, numRuns: 200 },
  );
  t.pass('200 files');
  t.end();
});

t.test('the SHA-256 of all that comes after the header is the weights digest', (t) => {
  const snapshot = randomSnapshot(seed);
  const bytes = fileOf(snapshot, { format: 'pt' });
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  t.equal(headerBytes % 8, 0, 'the data lie at a multiple of eight bytes');
  const data = bytes.subarray(8 + headerBytes);
  t.equal(createHash('sha256').update(data).digest('hex'), weightsDigest(snapshot));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: number[] }
  >;
  t.same(header.__metadata__, { format: 'pt' });
  t.same(header['0.weight'], { dtype: 'F32', shape: [3, 5], data_offsets: [0, 60] });
  t.same(header['1.num_batches_tracked'], {
    dtype: 'I64',
    shape: [],
    data_offsets: [data.length - 8, data.length],
  });
  t.end();
});

t.test('the values are views of the bytes where these are aligned, copies where not, and the same', (t) => {
  const snapshot = randomSnapshot(seed);
  const bytes = fileOf(snapshot);
  for (let offset = 0; offset < 8; offset++) {
    const given = new Uint8Array(bytes.length + offset).subarray(offset);
    given.set(bytes);
    const { tensors } = decode(given);
    const back = snapshotFrom({ tensors, metadata: {} }, architecture, path);
    t.equal(weightsDigest(back), weightsDigest(snapshot), `from byte ${offset} on`);
    const isView = tensors.get('0.weight')?.values.buffer === given.buffer;
    t.equal(isView, offset % 4 === 0, isView ? 'views' : 'copies');
  }
  t.end();
});

const tiny = fileOf(randomSnapshot(seed), { a: 'text' });

/** True if a file's tensors have as many values as their shapes say and its metadata are texts. */
function isConsistent({ tensors, metadata }: SafetensorsFile, bytes: Uint8Array): boolean {
  let sum = 0;
  for (const { dtype, shape, values } of tensors.values()) {
    if (values.length !== shape.reduce((a, b) => a * b, 1)) return false;
    if (values instanceof Float32Array !== (dtype === 'F32')) return false;
    sum += values.byteLength;
  }
  return sum <= bytes.length && Object.values(metadata).every((text) => typeof text === 'string');
}

/** Decodes, and picks a snapshot: 'refused' by an error of ours or 'read'; all else is thrown. */
function attempt(bytes: Uint8Array): 'refused' | 'read' {
  const started = performance.now();
  try {
    const file = decode(bytes);
    if (!isConsistent(file, bytes)) throw new Error('the file is inconsistent');
    snapshotFrom(file, architecture, path);
    return 'read';
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'DATA') throw error;
    return 'refused';
  } finally {
    const took = performance.now() - started;
    if (took > 1000) t.fail(`it took ${took} ms`);
  }
}

t.test('every truncation is refused', (t) => {
  const read = [];
  for (let length = 0; length < tiny.length; length++) {
    if (attempt(tiny.slice(0, length)) === 'read') read.push(length);
  }
  t.same(read, [], `${tiny.length} lengths`);
  t.equal(attempt(tiny), 'read');
  t.equal(attempt(Uint8Array.of(...tiny, 0)), 'refused', 'a byte too many');
  t.end();
});

t.test('every flipped bit of the header is refused or leaves a consistent file', (t) => {
  const end = 8 + Number(new DataView(tiny.buffer).getBigUint64(0, true));
  const counts = { refused: 0, read: 0 };
  for (let bit = 0; bit < 8 * end; bit++) {
    const bytes = tiny.slice();
    bytes[bit >> 3] ^= 1 << (bit & 7);
    counts[attempt(bytes)]++;
  }
  t.comment(JSON.stringify(counts));
  t.equal(counts.refused + counts.read, 8 * end);
  t.ok(counts.refused > 0.8 * 8 * end, 'hardly a bit can flip unnoticed but in metadata and spaces');
  t.end();
});

t.test('random bytes and random headers are refused or leave a consistent file', (t) => {
  const number = fc.oneof(fc.nat(64), fc.constantFrom(-1, 0.5, 1e308, 2 ** 53, 2 ** 32), fc.integer());
  const entry = fc.record(
    {
      dtype: fc.constantFrom('F32', 'I64', 'BF16', '', 'constructor'),
      shape: fc.oneof(fc.array(number, { maxLength: 9 }), fc.constant('4')),
      data_offsets: fc.oneof(fc.array(number, { minLength: 2, maxLength: 2 }), fc.array(number)),
    },
    { requiredKeys: [] },
  );
  const name = fc.constantFrom('a', 'b', '0.weight', '__metadata__', '__proto__', 'constructor');
  const header = fc.array(fc.tuple(name, fc.oneof(entry, fc.jsonValue({ maxDepth: 1 })))).map((entries) => {
    return `{${entries.map(([key, value]) => `"${key}":${JSON.stringify(value)}`).join(',')}}`;
  });
  const counts = { refused: 0, read: 0 };
  fc.assert(
    fc.property(fc.oneof(header, fc.json()), fc.nat(64), (header, size) => {
      counts[attempt(fileWith(header, size))]++;
    }),
    { seed, numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      counts[attempt(bytes)]++;
    }),
    { seed, numRuns: 500 },
  );
  t.equal(counts.refused, 2500);
  t.equal(Reflect.get({}, 'dtype'), undefined);
  t.end();
});
