/** What `--help` prints. */
import { version } from '../../shared/version.ts';
import { type Command, commands, flagsOf, usageOf } from './commands.ts';
import type { Flag } from './flag.ts';
import { variableOf } from './flags.ts';
import { wrapped } from './wrap.ts';

/** Narrower than this, words do not fit; wider than this, lines are hard to read. */
const narrowest = 60;
const widest = 100;

/** Help for one command, or the list of all. @param columns of the terminal */
export function helpText(command: Command | undefined, columns: number): string {
  const width = Math.min(widest, Math.max(narrowest, columns));
  return `${(command === undefined ? mainHelp(width) : commandHelp(command, width)).join('\n')}\n`;
}

function mainHelp(width: number): string[] {
  return [
    ...wrapped(`Lockstep ${version}: training with the same bits on any number of threads`, width),
    '',
    'Usage: lockstep COMMAND [flags]',
    '',
    ...table(
      [
        ...commands.map((command) => [usageOf(command), command.summary] as const),
        ['completion', 'a script for tab completion in bash and zsh'],
      ],
      width,
    ),
    '',
    ...table(
      [
        ['-h, --help', 'this list, or with a command its flags'],
        ['-v, --version', 'the version'],
      ],
      width,
    ),
  ];
}

function commandHelp(command: Command, width: number): string[] {
  const { about, groups, examples } = command;
  const names = flagsOf(command).map(({ name }) => name);
  // One of two words shows how they are joined.
  const flag = names.find((name) => name.includes('-')) ?? names[0];
  return [
    `Usage: lockstep ${usageOf(command)} [flags]`,
    '',
    ...wrapped(about, width),
    ...groups.flatMap(({ title, flags }) => ['', title, ...table(flags.map(flagRow), width)]),
    '',
    ...wrapped(`Each flag is also read from the environment: --${flag} from ${variableOf(flag)}.`, width),
    '',
    'Examples:',
    ...examples.map((example) => `  ${example}`),
  ];
}

function flagRow({ name, value, help, otherwise }: Flag): readonly [string, string] {
  return [
    `--${name}${value === undefined ? '' : ` ${value}`}`,
    `${help}${otherwise === undefined ? '' : ` [${otherwise}]`}`,
  ];
}

/** Two columns; the second is wrapped in its own place. */
function table(rows: readonly (readonly [string, string])[], width: number): string[] {
  const indent = 4 + Math.max(...rows.map(([left]) => left.length));
  return rows.flatMap(([left, right]) =>
    wrapped(right, width - indent).map((line, i) => `  ${i === 0 ? left : ''}`.padEnd(indent) + line),
  );
}
