#!/usr/bin/env node
/** The command line: which command, with which values; what went wrong, in one line; the exit code. */
import type { Argv } from 'yargs';
import { systemReason } from '../shared/data/regular-file.ts';
import { LockstepError, quoted, suggestion, usageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { type Command, commands, flagsOf, usageOf } from './commands/commands.ts';
import { sayWithOthers } from './commands/first-rank.ts';
import type { Flag } from './commands/flag.ts';
import { FlagValues } from './commands/flag-values.ts';
import { allFlagNames } from './commands/flags.ts';
import { helpText } from './commands/help.ts';
import { showError } from './commands/screen.ts';

type Values = Readonly<Record<string, unknown>>;

const commonFlags = ['help', 'version'];
/** What their values look like, by `--name`. */
const optionalFlags = new Map(
  commands
    .flatMap(flagsOf)
    .flatMap(({ name, kind, looks = /^/ }) => (kind === 'optional' ? [[`--${name}`, looks]] : [])),
);
const completionFlag = 'get-yargs-completions';

/** Runs the command that the arguments name. @returns the exit code @throws LockstepError */
async function main(args: readonly string[]): Promise<number> {
  const answer = quickAnswer(args, process.stdout.columns ?? 80);
  if (answer !== null) return print(answer);
  checkSpelling(args);
  // Loading it takes as long as starting Node: help comes without it.
  const { default: yargs } = await import('yargs');
  let given: Command | undefined;
  const parser = commands.reduce(
    (chain, command) =>
      chain.command(
        command.name,
        command.summary,
        (builder) => withFlags(builder, flagsOf(command)),
        () => {
          given = command;
        },
      ),
    newParser(yargs(withEmptyValues(args))),
  );
  const values: Values = await parser.parseAsync();
  const words = (values._ as unknown[]).map(String);
  // What completion asks for, yargs has printed.
  if (words[0] === 'completion' || completionFlag in values) return 0;
  if (given === undefined) throw noCommand(words[0], args);
  const flags = flagsOf(given);
  checkFlags(given, flags, values, args);
  const [argument, ...more] = checkArguments(given, words.slice(1));
  const flagValues = new FlagValues(flags, values, process.env);
  isForJson = flagValues.isOn('json');
  return await given.run(argument, flagValues, more);
}

/** yargs parses, dispatches and completes; the checks and the help are ours, to be in our words. */
function newParser(parser: Argv): Argv {
  return parser
    .scriptName('lockstep')
    .detectLocale(false)
    .help(false)
    .version(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'duplicate-arguments-array': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
    })
    .option('help', { alias: 'h', type: 'boolean', describe: 'help' })
    .option('version', { alias: 'v', type: 'boolean', describe: 'the version' })
    .completion('completion', 'a script for tab completion in bash and zsh')
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? usageError(message.replaceAll('\n', ' '));
    });
}

function withFlags(parser: Argv, flags: readonly Flag[]): Argv {
  for (const { name, kind, help } of flags) {
    parser.option(name, { type: kind === 'switch' ? 'boolean' : 'string', describe: help });
  }
  return parser;
}

/** A flag that may stand alone takes the next word only if it looks like a value: `--dashboard note` names a recipe. */
function withEmptyValues(args: readonly string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  return args.map((argument, i) => {
    const looks = i < end ? optionalFlags.get(argument) : undefined;
    return looks === undefined || looks.test(args[i + 1] ?? '') ? argument : `${argument}=`;
  });
}

/** Help or the version, if that is what the arguments ask for, whatever else they say. */
function quickAnswer(args: readonly string[], columns: number): string | null {
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const asks = (pattern: RegExp) => ours.some((argument) => pattern.test(argument));
  if (asks(/^(--version|-v)(=true)?$/)) return `${version}\n`;
  if (ours[0] !== 'help' && !asks(/^(--help|-h)(=true)?$/)) return null;
  return helpText(
    commands.find(({ name }) => ours.includes(name)),
    columns,
  );
}

function noCommand(name: string | undefined, args: readonly string[]): LockstepError {
  const names = commands.map((command) => command.name);
  const expected = `expected ${names.join(', ').replace(/, (?=[^,]*$)/, ' or ')} (lockstep --help)`;
  if (name === undefined) {
    const got = args.length === 0 ? 'no command' : `${quoted(args[0])} but no command`;
    return usageError(`got ${got}, ${expected}`);
  }
  return usageError(`unknown command ${quoted(name)}${suggestion(name, names) || `, ${expected}`}`);
}

/** @throws LockstepError (USAGE) for a flag that the command does not have, or a switch with a value */
function checkFlags(command: Command, flags: readonly Flag[], values: Values, args: readonly string[]): void {
  const known = ['_', '$0', 'h', 'v', ...commonFlags, ...flags.map(({ name }) => name)];
  const unknown = Object.keys(values).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const given = asWritten(unknown, args);
    throw unknownFlag(
      given,
      flags.map(({ name }) => name),
      `${command.name} `,
    );
  }
  // yargs takes `--quiet=5` for `--quiet=false`.
  for (const argument of args.slice(0, args.includes('--') ? args.indexOf('--') : args.length)) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(argument) ?? [];
    if (value === undefined || value === 'true' || value === 'false') continue;
    if (commonFlags.includes(name) || flags.some((flag) => flag.kind === 'switch' && flag.name === name)) {
      throw usageError(`--${name}: got ${quoted(value)}, expected true or false`);
    }
  }
}

/** What yargs would take for something else: `-epochs` for six flags, `--constructor` for a part of its tables. */
function checkSpelling(args: readonly string[]): void {
  for (const argument of args) {
    if (argument === '--') return;
    const [written] = argument.split('=');
    const isStrange = /^-[a-z]{2}/i.test(written) || (written.startsWith('--') && written.slice(2) in {});
    if (isStrange) throw unknownFlag(written, allFlagNames);
  }
}

function unknownFlag(given: string, known: readonly string[], command = ''): LockstepError {
  const name = given.replace(/^-+/, '');
  const longer = name.length > 1 ? known.filter((candidate) => candidate.startsWith(name)) : [];
  const hint = suggestion(longer.length === 1 ? longer[0] : name, known).replace('"', '"--');
  return usageError(`unknown flag ${quoted(given)}${hint || ` (lockstep ${command}--help)`}`);
}

/** As many as the command takes. @throws LockstepError (USAGE) */
function checkArguments(command: Command, words: readonly string[]): readonly string[] {
  const { name, argument, more } = command;
  const expected = `expected lockstep ${usageOf(command)}`;
  const most = more === undefined ? 1 : more.many ? words.length : 2;
  if (words.length > most) {
    throw usageError(`${name}: got one argument too many, ${quoted(words[most])}, ${expected}`);
  }
  const needed = [...(argument.needed ? [argument.value] : []), ...(more === undefined ? [] : [more.value])];
  const missing = needed[words.length] ?? (words.includes('') ? needed[words.indexOf('')] : undefined);
  if (missing !== undefined || words.includes('')) {
    throw usageError(`${name}: got no ${missing ?? more?.value ?? argument.value}, ${expected}`);
  }
  return words;
}

/** A flag as it stands on the command line: yargs takes `-epochs` apart into letters. */
function asWritten(name: string, args: readonly string[]): string {
  const written = args.map((argument) => argument.split('=')[0]);
  return (
    written.find((argument) => argument.replace(/^--?/, '') === name) ??
    written.find((argument) => /^-[^-]/.test(argument) && argument.includes(name)) ??
    `--${name}`
  );
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Set when stdout or stderr cannot be written to; no training is lost for that. */
let isCutOff = false;
/** True where stdout is for a JSON object, which somebody relies on. */
let isForJson = false;

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Who was only looking may go away (`| head`): nothing more is shown, and the run goes on.
    if (isCutOff || (error.code === 'EPIPE' && !(isForJson && stream === process.stdout))) return;
    isCutOff = true;
    process.exitCode ||= 1;
    if (stream === process.stdout) showError(new Error(`cannot write to stdout (${systemReason(error)})`));
  });
}

try {
  const code = await main(process.argv.slice(2));
  process.exitCode = code || (isCutOff ? 1 : 0);
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  const code = await sayWithOthers(error, process.argv, process.env);
  if (code === null) showError(error);
  process.exitCode = code ?? error.exitCode;
}
