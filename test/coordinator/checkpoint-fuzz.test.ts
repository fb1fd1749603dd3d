/** Hostile checkpoints: refused in one line, at once, and in little memory. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { decodeCheckpoint, encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { LockstepError } from '../../shared/errors.ts';
import type { DecodeMemory } from '../helpers/decode-memory.ts';
import { fuzzInputs, slowestMs } from '../helpers/fuzz.ts';
import { fuzzedHeaders } from '../helpers/header-fuzz.ts';
import { hasFile } from '../helpers/platform.ts';
import { type SampleOptions, sampleRun } from '../helpers/run-states.ts';
import { hashed } from '../helpers/sealed.ts';

const seed = 20261201;
const limitMs = 5;
const encode = (options: SampleOptions): Buffer => {
  const { architecture, recipe, state } = sampleRun(options);
  return Buffer.concat(encodeCheckpoint(architecture, recipe, state));
};
const samples = [
  encode({}),
  encode({ stopping: 'best' }),
  encode({ model: 'dense(1) batchnorm dense(10)', stopping: 'before the first', epoch: 0 }),
];

/** What the bits of a run depend on: all but the reports of its epochs and its chain, which tell of the past. */
const bitsOf = (bytes: Uint8Array) => ({ ...decodeCheckpoint(bytes, '').state, epochs: null, chain: null });
const bits = samples.map(bitsOf);

/** Decodes; null if it is read, else the reason without what it quotes. */
function attempt(bytes: Uint8Array): string | null {
  try {
    decodeCheckpoint(bytes, 'x');
    return null;
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'DATA') throw error;
    if (/\p{Cc}/u.test(error.message)) throw new Error(`not one line: ${JSON.stringify(error.message)}`);
    if (error.message.length > 1000) throw new Error(`too long: ${error.message}`);
    return error.message.replace(/"(?:[^"\\]|\\.)*"|[0-9a-f]{64}|[\d.]+/g, '…').slice(0, 80);
  }
}

const corpora: Record<string, [() => Iterable<Uint8Array>, number]> = {
  '25,000 inputs of changed bytes': [() => fuzzInputs(25_000, seed, samples), 3],
  '25,000 inputs of changed headers': [() => fuzzedHeaders(25_000, seed, samples), 30],
};

for (const [what, [inputs, leastReasons]] of Object.entries(corpora)) {
  t.test(`${what}: nothing but refusals in one line, none over ${limitMs} ms`, (t) => {
    const reasons = new Map<string | null, number>();
    const read: Uint8Array[] = [];
    const slowest = slowestMs(inputs(), limitMs, (bytes) => {
      const reason = attempt(bytes);
      if (reason === null) read.push(bytes);
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    });
    t.ok(slowest <= limitMs, `the slowest took ${slowest.toFixed(2)} ms`);
    t.ok(reasons.size >= leastReasons, `${reasons.size} reasons`);
    const others = read.filter((input) => !bits.some((one) => isDeepStrictEqual(one, bitsOf(input))));
    t.equal(others.length, 0, `what was read, ${read.length}, trains on as one of the samples`);
    t.equal(Reflect.get({}, 'polluted'), undefined);
    t.end();
  });
}

/** A file of a header that begins as it must and goes on with this. */
function headerFile(rest: string): Uint8Array {
  const text = `{"__metadata__":{"sha256":"${'0'.repeat(64)}"${rest}`;
  const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  bytes.writeBigUInt64LE(BigInt(bytes.length - 8));
  bytes.write(text, 8);
  return hashed(bytes);
}

const megabyte = 2 ** 20 - 1000;
const repeated = (unit: (i: string) => string): string => {
  let text = '';
  for (let i = 0; text.length < megabyte; i++) text += unit(i.toString(36));
  return text;
};
const inRecipe = (json: string) =>
  headerFile(`,"format":"lockstep-checkpoint-1","recipe":${JSON.stringify(json)}}}`);

const large: Record<string, [() => Uint8Array, RegExp | null]> = {
  'a whole one of 18 MB': [
    () => encode({ model: 'dense(2000) dense(200) dense(10)', stopping: 'best' }),
    null,
  ],
  'a whole one of a thousand layers': [
    () => encode({ model: `${'dense(1) '.repeat(999)}dense(10)`, stopping: 'best' }),
    null,
  ],
  'one of 12 MB without its hash': [
    () => encode({ model: 'dense(2000) dense(10)' }).fill(0, 1_000_000, 1_000_001),
    /it was cut off or altered/,
  ],
  'lists of nothing': [() => headerFile(`},"a":[${repeated(() => '[],')}0]}`), /more or deeper values/],
  'tables of nothing': [() => headerFile(`}${repeated((i) => `,"${i}":{}`)}}`), /more or deeper values/],
  numbers: [() => headerFile(`}${repeated((i) => `,"${i}":0`)}}`), /more or deeper values/],
  texts: [() => headerFile(`${repeated((i) => `,"${i}":""`)}}}`), /more or deeper values/],
  'lists in lists': [() => headerFile(`},"a":${'['.repeat(megabyte)}`), /more or deeper values/],
  'tensors of nothing': [
    () => headerFile(`}${repeated((i) => `,"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`)}}`),
    /its format is "undefined"/,
  ],
  'a recipe of lists': [
    () => inRecipe(`[${repeated(() => '[],')}0]`),
    /the recipe in its metadata cannot be used/,
  ],
  'a recipe of one field': [() => inRecipe(`{"${'x'.repeat(60_000)}":0}`), /cannot be used \(x{80}: unknown/],
};

for (const [what, [make, reason]] of Object.entries(large)) {
  t.test(`memory of at most twice the file and 16 MiB: ${what}`, (t) => {
    if (!hasFile(t, '/proc/self/clear_refs')) {
      t.end();
      return;
    }
    const path = join(t.testdir(), 'file');
    const bytes = make();
    writeFileSync(path, bytes);
    // Garbage of a moment is not what is meant: V8 would let 16 MiB of it lie.
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        '--max-semi-space-size=1',
        fileURLToPath(new URL('../helpers/decode-memory.js', import.meta.url)),
        path,
      ],
      { encoding: 'utf8' },
    );
    if (stdout === '') throw new Error(stderr);
    const { refused, grownMiB }: DecodeMemory = JSON.parse(stdout);
    if (reason === null) t.equal(refused, null);
    else t.match(refused, reason);
    const most = (2 * bytes.length) / 2 ** 20 + 16;
    t.ok(grownMiB <= most, `${grownMiB.toFixed(1)} MiB, ${most.toFixed(1)} allowed`);
    t.end();
  });
}
