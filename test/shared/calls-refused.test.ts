/** What the small language of layers and optimizers refuses, and how. */
import fc from 'fast-check';
import t from 'tap';
import { parseCall, parseCalls } from '../../shared/calls.ts';
import { callTable as table } from '../helpers/call-table.ts';
import { refusal } from '../helpers/refusal.ts';

const seed = 20261125;
t.comment(`fast-check seed ${seed}`);

/** Text → message; every message begins with where it was, and is one line. */
const refusals: readonly (readonly [string, string])[] = [
  ['plane', 'here: unknown name "plane", did you mean "plain"?'],
  ['convolution', 'here: unknown name "convolution", expected one of layer, plain, norm, descent'],
  ['__proto__', 'here: unknown name "__proto__", expected one of layer, plain, norm, descent'],
  ['constructor', 'here: unknown name "constructor", expected one of layer, plain, norm, descent'],
  ['toString()', 'here: unknown name "toString", expected one of layer, plain, norm, descent'],
  ['hasOwnProperty(1)', 'here: unknown name "hasOwnProperty", expected one of layer, plain, norm, descent'],
  ['layer', 'here: layer needs units, for example layer(128)'],
  ['layer()', 'here: layer needs units, for example layer(128)'],
  ['layer(0)', 'here: layer: units: got "0", expected an integer from 1 to 65536'],
  ['layer(-1)', 'here: layer: units: got "-1", expected an integer from 1 to 65536'],
  ['layer(65537)', 'here: layer: units: got "65537", expected an integer from 1 to 65536'],
  ['layer(1.5)', 'here: layer: units: got "1.5", expected an integer from 1 to 65536'],
  ['layer(1e309)', 'here: layer: units: got "1e309", expected an integer from 1 to 65536'],
  ['layer(NaN)', 'here: layer: units: got "NaN", expected an integer from 1 to 65536'],
  ['layer(0x10)', 'here: layer: units: got "0x10", expected an integer from 1 to 65536'],
  ['layer(1_000)', 'here: layer: units: got "1_000", expected an integer from 1 to 65536'],
  ['layer(units=)', 'here: layer: units: got "", expected an integer from 1 to 65536'],
  ['layer(unit=3)', 'here: layer has no option "unit", did you mean "units"?'],
  ['layer(3,units=4)', 'here: layer has option "units" twice'],
  ['layer(3,4)', 'here: layer has no option "4", expected units'],
  ['layer(__proto__=3)', 'here: layer has no option "__proto__", expected units'],
  ['norm(constructor=3)', 'here: norm has no option "constructor", expected momentum, epsilon, scale'],
  ['plain(3)', 'here: plain has no option "3", it takes none'],
  ['plain(slope=3)', 'here: plain has no option "slope", it takes none'],
  ['norm(momentum=-0.1)', 'here: norm: momentum: got "-0.1", expected a number ≥ 0 and ≤ 1'],
  ['norm(momentum=1.1)', 'here: norm: momentum: got "1.1", expected a number ≥ 0 and ≤ 1'],
  ['norm(epsilon=0)', 'here: norm: epsilon: got "0", expected a number > 0'],
  ['norm(epsilon=1e39)', 'here: norm: epsilon: got "1e39", expected a number > 0'],
  ['norm(epsilon=1e309)', 'here: norm: epsilon: got "1e309", expected a number > 0'],
  ['norm(epsilon=Infinity)', 'here: norm: epsilon: got "Infinity", expected a number > 0'],
  ['norm(scale=2)', 'here: norm: scale: got "2", did you mean "1"?'],
  ['norm(scale=uniforn)', 'here: norm: scale: got "uniforn", did you mean "uniform"?'],
  ['norm(scale=something)', 'here: norm: scale: got "something", expected 1 or uniform'],
  ['descent(rest=1)', 'here: descent: rest: got "1", expected a number < 1'],
  ['descent(nesterov=yes)', 'here: descent: nesterov: got "yes", expected true or false'],
  ['descent(seed=-6)', 'here: descent: seed: got "-6", expected an integer ≥ -5'],
  ['descent(seed=9007199254740993)', 'here: descent: seed: got "9007199254740993", expected an integer ≥ -5'],
  ['plain(3', 'here: cannot read "(3", expected name(option=value, …)'],
  ['layer(3))', 'here: cannot read ")", expected name(option=value, …)'],
  ['plain((3))', 'here: cannot read "((3))", expected name(option=value, …)'],
  ['3', 'here: cannot read "3", expected name(option=value, …)'],
  ['plain; plain', 'here: cannot read "; plain", expected name(option=value, …)'],
  ['plain plain', 'here: got "plain plain", expected one of layer, plain, norm, descent'],
  ['', 'here: got "", expected one of layer, plain, norm, descent'],
];

for (const [text, message] of refusals) {
  t.test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.equal(
      refusal(() => parseCall(text, table, 'here')),
      message,
    );
    t.end();
  });
}

t.test('a bound holds for the binary32 that a number becomes', (t) => {
  // 1e-46 is 0 as binary32: with such an ε, 1 ÷ √(0 + ε) is infinite. The other is 1, and nothing is forgotten.
  t.equal(Math.fround(1e-46), 0);
  t.equal(Math.fround(0.99999999), 1);
  const outside: Record<string, string> = {
    'norm(epsilon=1e-46)': 'here: norm: epsilon: got "1e-46", expected a number > 0',
    'descent(rest=0.99999999)': 'here: descent: rest: got "0.99999999", expected a number < 1',
  };
  for (const [text, message] of Object.entries(outside)) {
    t.equal(
      refusal(() => parseCall(text, table, 'here')),
      message,
    );
  }
  t.end();
});

t.test('a text that is too long is refused before it is read, one at the limit is read at once', (t) => {
  const message = refusal(() => parseCalls('plain '.repeat(1667), table, 'here'));
  t.equal(message, 'here: got 10002 characters, expected at most 10000');
  t.equal(parseCalls('plain '.repeat(1666), table, 'here').length, 1666);
  t.end();
});

t.test('whatever a text holds, it is read or refused in one line, soon', (t) => {
  const piece = fc.constantFrom(
    'layer',
    'plain',
    '(',
    ')',
    ',',
    '=',
    ' ',
    '3',
    '-',
    'e9',
    '\u001b[2J',
    '\n',
    '__proto__',
  );
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  );
  let refused = 0;
  fc.assert(
    fc.property(text, (text) => {
      try {
        parseCalls(text, table, 'here');
      } catch {
        refused++;
        refusal(() => parseCalls(text, table, 'here'));
      }
    }),
    { seed, numRuns: 1000 },
  );
  t.ok(refused > 100 && refused < 1000, `${refused} of 1000 refused`);
  // Nothing backtracks: the longest texts of one repeated character.
  const started = performance.now();
  for (const one of ['a', ' ', ',', '(', '=', '-', ' ,']) {
    refusal(() => parseCalls(`plain(${one.repeat(9990 / one.length)}`, table, 'here'));
  }
  t.ok(performance.now() - started < 1000, `${Math.round(performance.now() - started)} ms`);
  t.end();
});

t.test('nothing that is parsed reaches a prototype', (t) => {
  const { options } = parseCall('norm(momentum=0.5)', table, 'here');
  t.equal(Object.getPrototypeOf(options), Object.prototype);
  for (const text of ['__proto__(1)', 'layer(__proto__=1)', 'norm(0.5,__proto__=1)']) {
    refusal(() => parseCall(text, table, 'here'));
  }
  t.equal(Reflect.get({}, 'units'), undefined);
  t.end();
});
