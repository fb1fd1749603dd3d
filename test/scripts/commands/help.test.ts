/** What help says, and that it is true. */
import t from 'tap';
import { commands, flagsOf, usageOf } from '../../../scripts/commands/commands.ts';
import { recipeFlags } from '../../../scripts/commands/flags.ts';
import { helpText } from '../../../scripts/commands/help.ts';
import { defaultStepTimeoutMs, defaultWorkerTimeoutMs } from '../../../scripts/commands/listening.ts';
import { defaultExchangeMs, defaultStartMs } from '../../../scripts/commands/mpi.ts';
import { parseDuration } from '../../../scripts/duration.ts';
import { defaultShardSize } from '../../../shared/recipe/recipe.ts';
import { bareDefaults, recipeKeys } from '../../../shared/recipe/resolve.ts';

t.test('no line is wider than the terminal, from 60 columns on, and none wider than 100', (t) => {
  for (const command of [undefined, ...commands]) {
    for (const columns of [20, 60, 79, 80, 100, 300]) {
      const widest = Math.max(
        ...helpText(command, columns)
          .split('\n')
          .map((line) => line.length),
      );
      const limit = Math.min(100, Math.max(60, columns));
      // Examples are not wrapped: they are there to be copied.
      const example = Math.max(...(command?.examples ?? []).map((line) => line.length + 2), 0);
      t.ok(widest <= Math.max(limit, example), `${command?.name ?? 'all'} at ${columns}: ${widest}`);
      t.ok(example <= 80, 'examples fit 80 columns');
    }
  }
  t.end();
});

t.test('every command and every flag is there', (t) => {
  for (const command of commands) {
    t.match(helpText(undefined, 80), `  ${usageOf(command)}  `);
    const text = helpText(command, 80);
    for (const { name, value } of flagsOf(command)) {
      t.match(text, `  --${name}${value === undefined ? '' : ` ${value}`}`, `${command.name} --${name}`);
    }
    for (const example of command.examples) t.match(example, `lockstep ${command.name}`);
  }
  t.end();
});

t.test('the values in brackets are those that hold', (t) => {
  const derived: Record<string, string | undefined> = {
    trainSamples: 'all',
    model: undefined,
    shardSize: `an eighth of the batch, ${defaultShardSize(1)} to ${defaultShardSize(65_536)}`,
    dropLast: undefined,
    earlyStopping: 'none',
  };
  t.equal(defaultShardSize(256), 32, 'an eighth');
  for (const { name, field = '', otherwise } of recipeFlags) {
    const expected = field in derived ? derived[field] : String(Reflect.get(bareDefaults, field));
    t.equal(otherwise, expected, `--${name}`);
  }
  const fields = recipeFlags.map(({ field }) => field);
  t.same([...recipeKeys].sort(), [...fields, 'arithmetic', 'dataset'].sort(), 'every field has its flag');
  t.end();
});

t.test('the times in brackets are those of workers, and in train those of ranks too', (t) => {
  const times: Record<string, [ofWorkers: number, ofRanks: number]> = {
    'worker-timeout': [defaultWorkerTimeoutMs, defaultStartMs],
    'step-timeout': [defaultStepTimeoutMs, defaultExchangeMs],
  };
  for (const command of commands.filter(({ name }) => ['train', 'coordinator'].includes(name))) {
    for (const [name, [ofWorkers, ofRanks]] of Object.entries(times)) {
      const said = flagsOf(command).find((flag) => flag.name === name)?.otherwise ?? '';
      const words = said.match(/\b\d+(ms|s|m|h)\b/g) ?? [];
      t.same(words.map(parseDuration), command.name === 'train' ? [ofWorkers, ofRanks] : [ofWorkers], said);
      t.equal(/ranks of MPI/.test(said), command.name === 'train', `${command.name} --${name}`);
    }
  }
  t.end();
});
