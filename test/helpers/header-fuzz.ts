/** Safetensors files whose headers were changed where it hurts: as values, not as bytes. */
import { hashed, withHeader } from './sealed.ts';
import { randomWords } from './values.ts';

/** What stands in places where something else belongs. */
const nasty: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  'F64',
  'I64',
  'BF16',
  '__proto__',
  '\u001b[2J',
  '{"__proto__":{"polluted":1}}',
  '{"epoch":1e309,"step":-0,"lossSum":-1}',
  '[]',
  'null',
  '"',
  0,
  -1,
  0.5,
  1e300,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 - 1,
  [],
  {},
  [[]],
  [0, 0],
  [0, 2 ** 53],
  [1, 2, 3, 4, 5, 6, 7, 8, 9],
  { dtype: 'F32', shape: [0], data_offsets: [0, 0] },
  { dtype: 'I64', shape: [], data_offsets: [0, 8] },
];

type Table = Record<string, unknown>;

/**
 * So many files, the same for a seed: some values of the header replaced, renamed, doubled, taken out, exchanged with others or
 * changed by a character; some with another length before them, bytes cut off or put behind. Three of four have the right
 * hash nevertheless, so that they come further than that.
 */
export function* fuzzedHeaders(
  count: number,
  seed: number,
  samples: readonly Uint8Array[],
): Generator<Uint8Array> {
  const random = randomWords(seed);
  const below = (bound: number): number => random() % bound;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];

  /** A text with a character or a number in it changed. */
  const scratched = (text: string): string => {
    if (below(2) === 0)
      return text.replace(/\d+/, pick(['-1', '-0', '0', '1', '2', '16', '1e9', '1e21', '1e309']));
    const at = below(text.length + 1);
    return text.slice(0, at) + pick(['', '"', '}', '[', ',', '\\', '0', 'é', '\u0000']) + text.slice(at + 1);
  };

  const mutate = (header: Table): void => {
    let table = header;
    while (below(4) > 0) {
      const inner = Object.values(table).filter((value) => typeof value === 'object' && value !== null);
      if (inner.length === 0) break;
      // Metadata are one table of many, but most that can be said wrong is said there.
      table = (table === header && below(3) === 0 ? header.__metadata__ : pick(inner)) as Table;
      if (typeof table !== 'object' || table === null) return;
    }
    const keys = Object.keys(table);
    if (keys.length === 0) return;
    const key = pick(keys);
    const other = pick(keys);
    const value = table[key];
    const kind = below(7);
    if (kind === 0) delete table[key];
    else if (kind === 1)
      table[`${pick(['', 'optimizer.', 'best.', 'epochs.'])}${other}`] = structuredClone(value);
    else if (kind === 2) [table[key], table[other]] = [table[other], value];
    else if (kind === 3 && typeof value === 'number') table[key] = value + pick([-8, -4, -1, 1, 4, 8]);
    else if (kind <= 4 && typeof value === 'string') table[key] = scratched(value);
    else table[key] = structuredClone(pick(nasty));
  };

  for (let i = 0; i < count; i++) {
    let bytes = withHeader(pick(samples), (header) => {
      for (let left = 1 + below(3); left > 0; left--) mutate(header);
      if (below(20) === 0) return scratched(JSON.stringify(header));
      return undefined;
    });
    if (below(10) === 0) {
      const lengths = [
        0n,
        1n,
        7n,
        BigInt(bytes.length),
        BigInt(below(5000)),
        2n ** 20n,
        2n ** 63n,
        2n ** 64n - 1n,
      ];
      Buffer.from(bytes.buffer, bytes.byteOffset).writeBigUInt64LE(pick(lengths));
    }
    if (below(10) === 0)
      bytes = Buffer.concat([bytes.subarray(0, 200 + below(bytes.length)), Buffer.alloc(below(20))]);
    yield bytes.length > 200 && below(4) > 0 ? hashed(bytes) : bytes;
  }
}
