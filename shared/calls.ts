/**
 * The small language of layers, optimizers, schedules and initialisations: `name(option=value, …)`. The first
 * option may be given without its name, options at their default are left out of the canonical form.
 */
import { type LockstepError, quoted, suggestion, usageError } from './errors.ts';

export type OptionValue = number | string | boolean;

export type OptionSpec =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly default?: number }
  | {
      readonly kind: 'number';
      readonly min?: number;
      readonly above?: number;
      readonly max?: number;
      readonly below?: number;
      readonly default?: number;
    }
  | { readonly kind: 'boolean'; readonly default: boolean }
  | { readonly kind: 'choice'; readonly choices: readonly OptionValue[]; readonly default: OptionValue };

/** The options of one name, in canonical order; those without a default must be given. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** All names that may be called, each with its options. */
export type CallTable = Readonly<Record<string, OptionSpecs>>;

export interface Call {
  readonly name: string;
  readonly options: Readonly<Record<string, OptionValue>>;
}

/** A text may not be longer than this; the longest model that fits in memory is far shorter. */
const longestText = 10_000;

/**
 * Parses one call.
 * @param where what the text is, for messages: `--optimizer`, `recipe field "init"`
 * @throws LockstepError (USAGE) naming what is unknown or out of range
 */
export function parseCall(text: string, table: CallTable, where: string): Call {
  const calls = parseCalls(text, table, where);
  if (calls.length !== 1) {
    throw usageError(`${where}: got ${quoted(text)}, expected one of ${Object.keys(table).join(', ')}`);
  }
  return calls[0];
}

/** Parses a sequence of calls, separated by white space or commas. */
export function parseCalls(text: string, table: CallTable, where: string): Call[] {
  if (text.length > longestText) {
    throw usageError(`${where}: got ${text.length} characters, expected at most ${longestText}`);
  }
  const calls: Call[] = [];
  const pattern = /[\s,]*([A-Za-z_][\w-]*)\s*(?:\(([^()]*)\))?/y;
  let at = 0;
  while (text.slice(at).trim() !== '') {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw unreadable(text.slice(at), where);
    at = pattern.lastIndex;
    // What is left begins with a bracket that is not closed, or not as it should be.
    if (text[at] === '(') throw unreadable(text.slice(at), where);
    calls.push(checkCall(match[1], match[2] ?? '', table, where));
  }
  return calls;
}

/** The canonical text of a call: options in the table's order, those at their default left out. */
export function formatCall(call: Call, table: CallTable): string {
  const shown = Object.entries(table[call.name])
    .filter(([key, spec]) => call.options[key] !== spec.default)
    .map(
      ([key], index) => (index === 0 && isFirst(key, table[call.name]) ? '' : `${key}=`) + call.options[key],
    );
  return shown.length === 0 ? call.name : `${call.name}(${shown.join(',')})`;
}

/** Only an option that must be given is written without its name. */
function isFirst(key: string, specs: OptionSpecs): boolean {
  return Object.keys(specs)[0] === key && specs[key].default === undefined;
}

function unreadable(rest: string, where: string): LockstepError {
  return usageError(`${where}: cannot read ${quoted(rest.trim())}, expected name(option=value, …)`);
}

function checkCall(name: string, argumentText: string, table: CallTable, where: string): Call {
  const specs = Object.hasOwn(table, name) ? table[name] : undefined;
  if (specs === undefined) {
    const known = Object.keys(table);
    throw usageError(
      `${where}: unknown name ${quoted(name)}${suggestion(name, known) || `, expected one of ${known.join(', ')}`}`,
    );
  }
  const given = new Map<string, string>();
  const parts = argumentText.trim() === '' ? [] : argumentText.split(',');
  for (const [index, part] of parts.entries()) {
    const equals = part.indexOf('=');
    const key = equals < 0 && index === 0 ? Object.keys(specs)[0] : part.slice(0, Math.max(equals, 0)).trim();
    if (key === undefined || !Object.hasOwn(specs, key)) {
      const known = Object.keys(specs);
      const hint =
        known.length === 0
          ? ', it takes none'
          : suggestion(key ?? '', known) || `, expected ${known.join(', ')}`;
      throw usageError(`${where}: ${name} has no option ${quoted(key || part.trim())}${hint}`);
    }
    if (given.has(key)) throw usageError(`${where}: ${name} has option ${quoted(key)} twice`);
    given.set(key, part.slice(equals + 1).trim());
  }
  const options: Record<string, OptionValue> = {};
  for (const [key, spec] of Object.entries(specs)) {
    const text = given.get(key);
    if (text !== undefined) options[key] = parseValue(text, spec, `${where}: ${name}: ${key}`);
    else if (spec.default !== undefined) options[key] = spec.default;
    else throw usageError(`${where}: ${name} needs ${key}, for example ${name}(${exampleOf(spec)})`);
  }
  return { name, options };
}

function exampleOf(spec: OptionSpec): string {
  return spec.kind === 'integer' ? '128' : '0.01';
}

function parseValue(text: string, spec: OptionSpec, where: string): OptionValue {
  switch (spec.kind) {
    case 'integer':
    case 'number':
      return checkNumber(parseNumber(text), spec, where, text);
    case 'boolean':
      if (text !== 'true' && text !== 'false') {
        throw usageError(`${where}: got ${quoted(text)}, expected true or false`);
      }
      return text === 'true';
    case 'choice': {
      const choice = spec.choices.find((value) => String(value) === text);
      if (choice === undefined) {
        throw usageError(
          `${where}: got ${quoted(text)}${suggestion(text, spec.choices.map(String)) || `, expected ${spec.choices.join(' or ')}`}`,
        );
      }
      return choice;
    }
    default:
      return spec satisfies never;
  }
}

/** A decimal number; NaN for anything else, also for what `Number` would take beside it ('', '0x10'). */
export function parseNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** Checks a number against its range, as binary32 where it is no integer; `shown` is what the user wrote. */
export function checkNumber(
  value: number,
  spec: Extract<OptionSpec, { kind: 'integer' | 'number' }>,
  where: string,
  shown = String(value),
): number {
  // A bound must hold for the number as it is written and for the binary32 that it becomes.
  const inside =
    spec.kind === 'integer'
      ? Number.isSafeInteger(value) && value >= spec.min && value <= spec.max
      : [value, Math.fround(value)].every((number) => isWithin(number, spec));
  if (!inside) throw usageError(`${where}: got ${quoted(shown)}, expected ${describeRange(spec)}`);
  return value;
}

function isWithin(value: number, spec: Extract<OptionSpec, { kind: 'number' }>): boolean {
  return (
    Number.isFinite(value) &&
    value >= (spec.min ?? Number.NEGATIVE_INFINITY) &&
    value <= (spec.max ?? Number.POSITIVE_INFINITY) &&
    value > (spec.above ?? Number.NEGATIVE_INFINITY) &&
    value < (spec.below ?? Number.POSITIVE_INFINITY)
  );
}

function describeRange(spec: Extract<OptionSpec, { kind: 'integer' | 'number' }>): string {
  if (spec.kind === 'integer') {
    return spec.max === Number.MAX_SAFE_INTEGER
      ? `an integer ≥ ${spec.min}`
      : `an integer from ${spec.min} to ${spec.max}`;
  }
  const bounds = [
    spec.min === undefined ? '' : `≥ ${spec.min}`,
    spec.above === undefined ? '' : `> ${spec.above}`,
    spec.max === undefined ? '' : `≤ ${spec.max}`,
    spec.below === undefined ? '' : `< ${spec.below}`,
  ].filter((bound) => bound !== '');
  return `a number ${bounds.join(' and ')}`.trimEnd();
}
