#!/usr/bin/env node
/** The command line. Heavy modules are imported by the command that needs them, so that help is quick. */
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { LockstepError, suggestion } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import {
  evaluateFlags,
  type Flag,
  FlagValues,
  inspectFlags,
  recipeFlags,
  runFlags,
} from './commands/flags.ts';

const trainFlags = [...recipeFlags, ...runFlags];

/** Set by the command that ran. */
let exitCode = 0;

function withFlags(parser: Argv, flags: readonly Flag[], group: string): Argv {
  for (const { name, kind, value, help } of flags) {
    parser.option(name, {
      type: kind === 'switch' ? 'boolean' : 'string',
      describe: value === undefined ? help : `${value}: ${help}`,
      group,
      requiresArg: kind !== 'switch',
    });
  }
  return parser;
}

const parser: Argv = yargs(hideBin(process.argv))
  .scriptName('lockstep')
  .parserConfiguration({
    'boolean-negation': false,
    'camel-case-expansion': false,
    'duplicate-arguments-array': false,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'dot-notation': false,
  })
  .usage('$0 <command>: distributed training with the same bits on any number of workers')
  .command(
    'train [recipe]',
    'train on this machine: the main job',
    (builder) =>
      withFlags(
        withFlags(builder, recipeFlags, 'What is trained:'),
        runFlags,
        'How it is run (never changes the bits):',
      )
        .positional('recipe', { type: 'string', describe: 'mnist (default), note, or a JSON file' })
        .example('$0 train note --epochs 3', 'three epochs of the study note')
        .example('$0 train --model "dense(64) relu dense(10)" --threads 1', 'a model of your own'),
    async (argv) => {
      const { trainCommand } = await import('./commands/train.ts');
      exitCode = await trainCommand(text(argv.recipe), new FlagValues(trainFlags, argv, process.env));
    },
  )
  .command(
    'evaluate <model>',
    'loss, accuracy, confusion matrix on the test set',
    (builder) =>
      withFlags(builder, evaluateFlags, 'Flags:').positional('model', {
        type: 'string',
        describe: 'a safetensors file',
      }),
    async (argv) => {
      const { evaluateCommand } = await import('./commands/evaluate.ts');
      exitCode = await evaluateCommand(String(argv.model), new FlagValues(evaluateFlags, argv, process.env));
    },
  )
  .command(
    'inspect <file>',
    'what is in a model, run or recipe',
    (builder) =>
      withFlags(builder, inspectFlags, 'Flags:').positional('file', {
        type: 'string',
        describe: 'a model, a run folder, or a recipe (name or JSON file)',
      }),
    async (argv) => {
      const { inspectCommand } = await import('./commands/inspect.ts');
      exitCode = inspectCommand(String(argv.file), new FlagValues(inspectFlags, argv, process.env));
    },
  )
  .demandCommand(1, 'expected a command: train, evaluate or inspect (lockstep --help)')
  .recommendCommands()
  .strict()
  .completion('completion', 'a script for tab completion in bash and zsh')
  .version(version)
  .alias('version', 'v')
  .help()
  .alias('help', 'h')
  .wrap(Math.min(100, process.stdout.columns ?? 80))
  .exitProcess(false)
  .fail((message, error) => {
    throw error ?? new LockstepError('USAGE', explained(message));
  });

/** yargs' word for what it did not know, in our form. */
function explained(message: string): string {
  const names = /^Unknown arguments?: (.+)$/.exec(message)?.[1].split(', ');
  if (names === undefined) return message.replaceAll('\n', ' ');
  const flags = trainFlags.map(({ name }) => name);
  const given =
    process.argv.find((argument) => argument.replace(/^--?/, '').split('=')[0] === names[0]) ?? names[0];
  const isFlag = given.startsWith('-');
  const hint = isFlag ? suggestion(names[0], flags).replace('"', '"--') : '';
  return `unknown ${isFlag ? 'flag' : 'argument'} ${given.split('=')[0]}${hint || ' (see --help)'}`;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

// A reader that goes away (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await parser.parseAsync();
  process.exitCode = exitCode;
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  process.stderr.write(`lockstep: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
