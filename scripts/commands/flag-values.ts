/** The values that were given for a command's flags, and where each came from. */
import { checkNumber, parseNumber } from '../../shared/calls.ts';
import { quoted, suggestion, usageError } from '../../shared/errors.ts';
import type { Flag } from './flag.ts';
import { allFlagNames, nameOf, variableOf } from './flags.ts';

interface Given {
  readonly value: string;
  readonly kind: Flag['kind'];
  /** What a message should name. */
  readonly label: string;
  readonly from: 'command line' | 'environment' | 'launcher';
}

export class FlagValues {
  readonly #given = new Map<string, Given>();

  /**
   * Flags go over the environment. A variable that is empty counts as not set.
   * @param parsed values by flag name, as the command line gave them
   * @throws LockstepError (USAGE) for a LOCKSTEP_ variable that is no command's flag, and for an empty flag
   */
  constructor(
    flags: readonly Flag[],
    parsed: Readonly<Record<string, unknown>>,
    environment: NodeJS.ProcessEnv,
  ) {
    for (const [variable, value] of Object.entries(environment)) {
      if (!variable.startsWith('LOCKSTEP_')) continue;
      const name = allFlagNames.find((candidate) => variableOf(candidate) === variable);
      if (name === undefined) {
        const hint = suggestion(nameOf(variable), allFlagNames);
        const advice =
          hint.replace(/"(.+)"/, (_, flag) => variableOf(flag)) ||
          '; unset it, or name a flag as LOCKSTEP_BATCH_SIZE does';
        throw usageError(`${quoted(variable).slice(1, -1)}: no command has a flag of this name${advice}`);
      }
      const flag = flags.find((candidate) => candidate.name === name);
      if (flag === undefined || value === undefined || value === '') continue;
      this.#given.set(name, { value, kind: flag.kind, label: variable, from: 'environment' });
    }
    for (const { name, kind, value: placeholder } of flags) {
      const value = parsed[name];
      if (value === undefined) continue;
      if (value === '' && kind !== 'optional')
        throw usageError(`--${name}: got nothing, expected a value: --${name} ${placeholder}`);
      this.#given.set(name, { value: String(value), kind, label: `--${name}`, from: 'command line' });
    }
  }

  /** The same with values for flags that were not given. Those are no part of what would be written on a command line. */
  withDefaults(values: Readonly<Record<string, string>>): FlagValues {
    const filled = new FlagValues([], {}, {});
    for (const [name, value] of Object.entries(values))
      filled.#given.set(name, { value, kind: 'text', label: `--${name}`, from: 'launcher' });
    for (const [name, given] of this.#given) filled.#given.set(name, given);
    return filled;
  }

  /** The flag or variable that a message should name. */
  label(name: string): string {
    return this.#given.get(name)?.label ?? `--${name}`;
  }

  text(name: string): string | undefined {
    return this.#given.get(name)?.value;
  }

  has(name: string): boolean {
    return this.#given.has(name);
  }

  isOnCommandLine(name: string): boolean {
    return this.#given.get(name)?.from === 'command line';
  }

  /** @throws LockstepError (USAGE) for a variable that is neither on nor off */
  isOn(name: string): boolean {
    const given = this.#given.get(name);
    if (given === undefined) return false;
    if (['true', '1'].includes(given.value)) return true;
    if (['false', '0'].includes(given.value)) return false;
    throw usageError(`${given.label}: got ${quoted(given.value)}, expected 1 or 0`);
  }

  /** A number within a range, or undefined. @throws LockstepError (USAGE) for any other */
  number(name: string, range: Parameters<typeof checkNumber>[1]): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : checkNumber(parseNumber(text), range, this.label(name), text);
  }

  /** One of some values, or undefined. @throws LockstepError (USAGE) for any other */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) {
      throw usageError(
        `${this.label(name)}: got ${quoted(text)}${suggestion(text, choices) || `, expected ${choices.join(' or ')}`}`,
      );
    }
    return choice;
  }

  /** These flags as they would be written on a command line, wherever they came from. */
  argumentsOf(flags: readonly Flag[]): string[] {
    return flags.flatMap(({ name }) => {
      const given = this.#given.get(name);
      if (given === undefined || given.from === 'launcher') return [];
      if (given.kind === 'switch') return this.isOn(name) ? [`--${name}`] : [];
      if (given.value === '') return [`--${name}`];
      return [`--${name}`, given.value];
    });
  }
}
