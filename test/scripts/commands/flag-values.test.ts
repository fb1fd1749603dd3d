/** Where a flag's value comes from, and what is no value. */
import t from 'tap';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { recipeFlags, runFlags, variableOf } from '../../../scripts/commands/flags.ts';
import { refusal } from '../../helpers/refusal.ts';

const flags = [...recipeFlags, ...runFlags];
const values = (parsed: Record<string, unknown>, environment: Record<string, string> = {}) =>
  new FlagValues(flags, parsed, environment);

t.test('the command line goes over the environment, and each is named for what it is', (t) => {
  const both = values({ epochs: '3' }, { LOCKSTEP_EPOCHS: '5', LOCKSTEP_BATCH_SIZE: '7' });
  t.equal(both.text('epochs'), '3');
  t.equal(both.label('epochs'), '--epochs');
  t.ok(both.isOnCommandLine('epochs'));
  t.equal(both.text('batch-size'), '7');
  t.equal(both.label('batch-size'), 'LOCKSTEP_BATCH_SIZE');
  t.notOk(both.isOnCommandLine('batch-size'));
  t.equal(both.text('seed'), undefined);
  t.notOk(both.has('seed'));
  t.equal(both.label('seed'), '--seed', 'what was not given is named as the flag');
  t.end();
});

t.test('every flag has its variable', (t) => {
  for (const { name, kind } of flags) {
    const given = values({}, { [variableOf(name)]: '1' });
    t.ok(given.has(name), `${variableOf(name)} sets --${name}`);
    if (kind === 'switch') t.ok(given.isOn(name), `${variableOf(name)}=1 switches it on`);
  }
  t.end();
});

t.test('switches: on, off, and nothing else', (t) => {
  t.ok(values({ quiet: true }).isOn('quiet'));
  t.notOk(
    values({ quiet: false }, { LOCKSTEP_QUIET: '1' }).isOn('quiet'),
    '--quiet=false goes over the variable',
  );
  t.notOk(values({}).isOn('quiet'));
  for (const [value, on] of Object.entries({ 1: true, true: true, 0: false, false: false })) {
    t.equal(values({}, { LOCKSTEP_QUIET: value }).isOn('quiet'), on, `LOCKSTEP_QUIET=${value}`);
  }
  const other = values({}, { LOCKSTEP_QUIET: 'yes' });
  t.equal(
    refusal(() => other.isOn('quiet')),
    'LOCKSTEP_QUIET: got "yes", expected 1 or 0',
  );
  t.end();
});

t.test('an empty variable is not set, an empty flag is an error', (t) => {
  t.notOk(values({}, { LOCKSTEP_OUT: '', LOCKSTEP_QUIET: '' }).has('out'));
  t.equal(
    refusal(() => values({ out: '' }, { LOCKSTEP_OUT: 'x' })),
    '--out: got nothing, expected a value: --out FILE',
  );
  t.end();
});

t.test('a flag that may stand alone has no value then, and is written down so', (t) => {
  const alone = values({ dashboard: '' });
  t.ok(alone.has('dashboard'));
  t.equal(alone.text('dashboard'), '');
  t.strictSame(alone.argumentsOf(runFlags), ['--dashboard']);
  t.strictSame(values({ dashboard: '8080' }).argumentsOf(runFlags), ['--dashboard', '8080']);
  t.notOk(values({}, { LOCKSTEP_DASHBOARD: '' }).has('dashboard'), 'an empty variable is not set');
  t.end();
});

t.test("another command's variables are accepted, unknown ones are not", (t) => {
  const others = ['TOKEN', 'LISTEN', 'WORKERS', 'MIN_WORKERS', 'WORKER_TIMEOUT', 'STEP_TIMEOUT', 'NAME'];
  const environment = Object.fromEntries(
    [...others, 'FINGERPRINT', 'RESUME', 'CHECKPOINT_EVERY', 'EPOCHS'].map((name) => [
      `LOCKSTEP_${name}`,
      'x',
    ]),
  );
  t.notOk(new FlagValues([], {}, environment).has('epochs'), 'known, but not of this command');
  t.match(
    refusal(() => values({}, { LOCKSTEP_EPOCH: '' })),
    /^LOCKSTEP_EPOCH: no command has a flag of this name, did you mean LOCKSTEP_EPOCHS\?$/,
  );
  t.match(
    refusal(() => values({}, { LOCKSTEP_XYZZYPLUGH: '1' })),
    /^LOCKSTEP_XYZZYPLUGH: no command has a flag of this name; unset it, or name a flag as LOCKSTEP_BATCH_SIZE/,
  );
  for (const strange of [
    'LOCKSTEP_',
    'LOCKSTEP_epochs',
    'LOCKSTEP_batch-size',
    'LOCKSTEP___PROTO__',
    'LOCKSTEP_\n',
  ]) {
    t.match(
      refusal(() => values({}, { [strange]: '1' })),
      /no command has a flag of this name/,
      JSON.stringify(strange),
    );
  }
  t.ok(values({}, { LOCKSTEPS: '1', lockstep_epochs: '1', XLOCKSTEP_A: '1' }), 'these are not ours');
  t.end();
});

t.test('one of some names, or a suggestion, or all of them', (t) => {
  const kernels = (given: string) => () => values({ kernels: given }).choice('kernels', ['auto', 'wasm']);
  t.equal(kernels('wasm')(), 'wasm');
  t.equal(values({}).choice('kernels', ['auto', 'wasm']), undefined);
  t.equal(refusal(kernels('wsam')), '--kernels: got "wsam", did you mean "wasm"?');
  t.equal(refusal(kernels('turbofast')), '--kernels: got "turbofast", expected auto or wasm');
  t.end();
});

t.test('given flags can be written down again, wherever they came from', (t) => {
  const given = values(
    { epochs: '3', 'drop-last': true, quiet: true },
    { LOCKSTEP_SEED: '9', LOCKSTEP_OUT: 'x' },
  );
  t.strictSame(given.argumentsOf(recipeFlags), ['--drop-last', '--epochs', '3', '--seed', '9']);
  t.strictSame(values({ 'drop-last': false }).argumentsOf(recipeFlags), []);
  t.end();
});

t.test('values for flags that were not given stand behind those that were, and on no command line', (t) => {
  const given = values({ epochs: '3' }, { LOCKSTEP_SEED: '7' });
  const filled = given.withDefaults({ epochs: '5', seed: '6', threads: '4' });
  t.same(
    ['epochs', 'seed', 'threads'].map((name) => filled.text(name)),
    ['3', '7', '4'],
  );
  t.ok(filled.has('threads'));
  t.notOk(filled.isOnCommandLine('threads'));
  t.equal(filled.label('threads'), '--threads');
  t.same(filled.argumentsOf(flags), given.argumentsOf(flags));
  t.notOk(given.has('threads'), 'the others stay as they are');
  t.end();
});
