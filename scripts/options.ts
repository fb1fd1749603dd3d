/** Checks of the library's options: callers without TypeScript get the same clear errors as users of flags. */
import type { MemorySplit } from '../shared/data/dataset.ts';
import { quoted, suggestion, usageError } from '../shared/errors.ts';

/** Images, each (28, 28) bytes, and their labels 0 … 9, to train on and to test with. */
export interface DataInMemory {
  readonly train: MemorySplit;
  readonly test: MemorySplit;
}

export type OptionKind = 'any' | 'text' | 'function' | 'signal';

/**
 * Checks the names of options and the kinds of their values; undefined counts as not given.
 * @param where the function they were given to, for messages
 * @throws LockstepError (USAGE)
 */
export function checkOptions(
  options: unknown,
  kinds: Readonly<Record<string, OptionKind>>,
  where: string,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw usageError(`${where}: got ${shown(options)}, expected an object with options`);
  }
  const known = Object.keys(kinds);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(kinds, name)) {
      const hint = suggestion(name, known) || `, expected one of ${known.join(', ')}`;
      throw usageError(`${where}: unknown option ${quoted(name)}${hint}`);
    }
    if (value === undefined || isOfKind(value, kinds[name])) continue;
    const expected = { any: '', text: 'a text', function: 'a function', signal: 'an AbortSignal' };
    throw usageError(`${where}: ${name}: got ${shown(value)}, expected ${expected[kinds[name]]}`);
  }
}

/** @throws LockstepError (USAGE) for a value that is none of the choices */
export function checkChoice(value: string, choices: readonly string[], where: string): void {
  if (choices.includes(value)) return;
  throw usageError(
    `${where}: got ${quoted(value)}${suggestion(value, choices) || `, expected ${choices.join(' or ')}`}`,
  );
}

/** @throws LockstepError (USAGE) for anything but an integer ≥ `least` */
export function checkCount(value: unknown, where: string, least = 0): void {
  if (Number.isSafeInteger(value) && Number(value) >= least) return;
  throw usageError(`${where}: got ${shown(value)}, expected an integer ≥ ${least}`);
}

/** Checks data in memory as far as its type says. @throws LockstepError (USAGE) */
export function checkData(data: unknown, where: string): void {
  if (typeof data === 'string') return;
  for (const split of ['train', 'test']) {
    for (const part of ['images', 'labels']) {
      const value = fieldOf(fieldOf(data, split), part);
      if (value instanceof Uint8Array) continue;
      throw usageError(
        `${where}: got ${shown(value)} for ${split}.${part}, expected a name, a folder, or ` +
          '{ train: { images, labels }, test: { images, labels } } of Uint8Array',
      );
    }
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isOfKind(value: unknown, kind: OptionKind): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'text':
      return typeof value === 'string';
    case 'function':
      return typeof value === 'function';
    case 'signal':
      return value instanceof AbortSignal;
    default:
      return kind satisfies never;
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
