/** The small language of layers and optimizers: round trips, canonical texts, and what it refuses. */
import fc from 'fast-check';
import t from 'tap';
import { type CallTable, formatCall, parseCall, parseCalls, parseNumber } from '../../shared/calls.ts';
import { refusal } from '../helpers/refusal.ts';

const seed = 20261125;
t.comment(`fast-check seed ${seed}`);

const table: CallTable = {
  layer: { units: { kind: 'integer', min: 1, max: 65_536 } },
  plain: {},
  norm: {
    momentum: { kind: 'number', min: 0, max: 1, default: 0.9 },
    epsilon: { kind: 'number', above: 0, default: 1e-5 },
    scale: { kind: 'choice', choices: [1, 'uniform'], default: 1 },
  },
  descent: {
    lr: { kind: 'number', min: 0, default: 0.1 },
    rest: { kind: 'number', below: 1, default: 0 },
    nesterov: { kind: 'boolean', default: false },
    seed: { kind: 'integer', min: -5, max: Number.MAX_SAFE_INTEGER, default: 3 },
  },
};

/** A call with options that are all given. */
const call = fc.oneof(
  fc.record({ name: fc.constant('layer'), options: fc.record({ units: fc.integer({ min: 1, max: 65_536 }) }) }),
  fc.record({ name: fc.constant('plain'), options: fc.constant({}) }),
  fc.record({
    name: fc.constant('norm'),
    options: fc.record({
      momentum: fc.oneof(fc.constant(0.9), fc.double({ min: 0, max: 1, noNaN: true })),
      epsilon: fc.oneof(fc.constant(1e-5), fc.double({ min: 1e-30, max: 1e30, noNaN: true })),
      scale: fc.constantFrom<number | string>(1, 'uniform'),
    }),
  }),
  fc.record({
    name: fc.constant('descent'),
    options: fc.record({
      lr: fc.double({ min: 0, max: 3e38, noNaN: true }),
      rest: fc.double({ min: -3e38, max: 1, maxExcluded: true, noNaN: true }),
      nesterov: fc.boolean(),
      seed: fc.integer({ min: -5 }),
    }),
  }),
);

t.test('what is formatted is parsed to the same call, and formatted to the same text again', (t) => {
  fc.assert(
    fc.property(call, (call) => {
      const text = formatCall(call, table);
      const parsed = parseCall(text, table, 'here');
      t.same(parsed.name, call.name);
      for (const [key, value] of Object.entries(call.options)) {
        if (parsed.options[key] !== value) return false;
      }
      return formatCall(parsed, table) === text;
    }),
    { seed, numRuns: 300 },
  );
  t.end();
});

t.test('the order of options, spaces and the way numbers are written change nothing', (t) => {
  const space = fc.constantFrom('', ' ', '\t', '\n ', '  ');
  fc.assert(
    fc.property(call, fc.array(space, { minLength: 20, maxLength: 20 }), fc.boolean(), (call, spaces, turn) => {
      const next = () => spaces.pop() ?? '';
      const written = Object.entries(call.options).map(([key, value]) => {
        const shown = typeof value === 'number' && value > 0 && turn ? value.toExponential() : value;
        return `${next()}${key}${next()}=${next()}${shown}${next()}`;
      });
      if (turn) written.reverse();
      const text = `${next()}${call.name}${next()}(${written.join(',')})${next()}`;
      return formatCall(parseCall(text, table, 'here'), table) === formatCall(call, table);
    }),
    { seed, numRuns: 300 },
  );
  t.pass('300 texts');
  t.end();
});

t.test('canonical texts leave defaults out, and write the first option without its name if it must be there', (t) => {
  for (const [text, canonical] of [
    ['layer( units = 128 )', 'layer(128)'],
    ['layer(+128)', 'layer(128)'],
    ['layer(1.28e2)', 'layer(128)'],
    ['plain()', 'plain'],
    ['plain( )', 'plain'],
    ['norm(momentum=0.90,epsilon=0.00001)', 'norm'],
    ['norm(0.5)', 'norm(momentum=0.5)'],
    ['norm(scale=uniform,momentum=.5)', 'norm(momentum=0.5,scale=uniform)'],
    ['norm(scale=1)', 'norm'],
    ['norm(epsilon=1e-6)', 'norm(epsilon=0.000001)'],
    ['norm(epsilon=1e-7)', 'norm(epsilon=1e-7)'],
    ['descent(nesterov=true,lr=0.1)', 'descent(nesterov=true)'],
    ['descent(lr=-0)', 'descent(lr=0)'],
  ]) {
    t.equal(formatCall(parseCall(text, table, 'here'), table), canonical, text);
  }
  t.end();
});

t.test('several calls are separated by white space or commas, and none is none', (t) => {
  const names = (text: string) => parseCalls(text, table, 'here').map((call) => formatCall(call, table));
  t.same(names('layer(3) plain,norm(0.5) , plain\n\tplain'), [
    'layer(3)',
    'plain',
    'norm(momentum=0.5)',
    'plain',
    'plain',
  ]);
  t.same(names('layer(3)plain'), ['layer(3)', 'plain']);
  t.same(names(' \n '), []);
  t.same(names(''), []);
  t.end();
});

/** Text → message; every message begins with where it was, and is one line. */
const refusals: Record<string, string> = {
  'plane': 'here: unknown name "plane", did you mean "plain"?',
  'convolution': 'here: unknown name "convolution", expected one of layer, plain, norm, descent',
  '__proto__': 'here: unknown name "__proto__", expected one of layer, plain, norm, descent',
  'constructor': 'here: unknown name "constructor", expected one of layer, plain, norm, descent',
  'toString()': 'here: unknown name "toString", expected one of layer, plain, norm, descent',
  'hasOwnProperty(1)': 'here: unknown name "hasOwnProperty", expected one of layer, plain, norm, descent',
  'layer': 'here: layer needs units, for example layer(128)',
  'layer()': 'here: layer needs units, for example layer(128)',
  'layer(0)': 'here: layer: units: got "0", expected an integer from 1 to 65536',
  'layer(-1)': 'here: layer: units: got "-1", expected an integer from 1 to 65536',
  'layer(65537)': 'here: layer: units: got "65537", expected an integer from 1 to 65536',
  'layer(1.5)': 'here: layer: units: got "1.5", expected an integer from 1 to 65536',
  'layer(1e309)': 'here: layer: units: got "1e309", expected an integer from 1 to 65536',
  'layer(NaN)': 'here: layer: units: got "NaN", expected an integer from 1 to 65536',
  'layer(0x10)': 'here: layer: units: got "0x10", expected an integer from 1 to 65536',
  'layer(1_000)': 'here: layer: units: got "1_000", expected an integer from 1 to 65536',
  'layer(units=)': 'here: layer: units: got "", expected an integer from 1 to 65536',
  'layer(unit=3)': 'here: layer has no option "unit", did you mean "units"?',
  'layer(3,units=4)': 'here: layer has option "units" twice',
  'layer(3,4)': 'here: layer has no option "4", expected units',
  'layer(__proto__=3)': 'here: layer has no option "__proto__", expected units',
  'norm(constructor=3)':
    'here: norm has no option "constructor", expected momentum, epsilon, scale',
  'plain(3)': 'here: plain has no option "3", it takes none',
  'plain(slope=3)': 'here: plain has no option "slope", it takes none',
  'norm(momentum=-0.1)': 'here: norm: momentum: got "-0.1", expected a number ≥ 0 and ≤ 1',
  'norm(momentum=1.1)': 'here: norm: momentum: got "1.1", expected a number ≥ 0 and ≤ 1',
  'norm(epsilon=0)': 'here: norm: epsilon: got "0", expected a number > 0',
  'norm(epsilon=1e39)': 'here: norm: epsilon: got "1e39", expected a number > 0',
  'norm(epsilon=1e309)': 'here: norm: epsilon: got "1e309", expected a number > 0',
  'norm(epsilon=Infinity)': 'here: norm: epsilon: got "Infinity", expected a number > 0',
  'norm(scale=2)': 'here: norm: scale: got "2", did you mean "1"?',
  'norm(scale=uniforn)': 'here: norm: scale: got "uniforn", did you mean "uniform"?',
  'norm(scale=something)': 'here: norm: scale: got "something", expected 1 or uniform',
  'descent(rest=1)': 'here: descent: rest: got "1", expected a number < 1',
  'descent(nesterov=yes)': 'here: descent: nesterov: got "yes", expected true or false',
  'descent(seed=-6)': 'here: descent: seed: got "-6", expected an integer ≥ -5',
  'descent(seed=9007199254740993)': 'here: descent: seed: got "9007199254740993", expected an integer ≥ -5',
  'layer(3': 'here: cannot read "(3", expected name(option=value, …)',
  'layer(3))': 'here: cannot read ")", expected name(option=value, …)',
  'layer((3))': 'here: cannot read "((3))", expected name(option=value, …)',
  '3': 'here: cannot read "3", expected name(option=value, …)',
  'plain; plain': 'here: cannot read "; plain", expected name(option=value, …)',
  'plain plain': 'here: got "plain plain", expected one of layer, plain, norm, descent',
  '': 'here: got "", expected one of layer, plain, norm, descent',
};

for (const [text, message] of Object.entries(refusals)) {
  t.test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.equal(refusal(() => parseCall(text, table, 'here')), message);
    t.end();
  });
}

t.test('a text that is too long is refused before it is read, one at the limit is read at once', (t) => {
  const message = refusal(() => parseCalls('plain '.repeat(1667), table, 'here'));
  t.equal(message, 'here: got 10002 characters, expected at most 10000');
  t.equal(parseCalls('plain '.repeat(1666), table, 'here').length, 1666);
  t.end();
});

t.test('whatever a text holds, it is read or refused in one line, soon', (t) => {
  const piece = fc.constantFrom('layer', 'plain', '(', ')', ',', '=', ' ', '3', '-', 'e9', '\u001b[2J', '\n', '__proto__');
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

t.test('numbers are decimal, and anything else is none', (t) => {
  for (const [text, value] of [
    ['1', 1],
    ['+1.5', 1.5],
    ['-.5e-3', -0.0005],
    ['5.', 5],
    ['1E3', 1000],
    ['1e309', Number.POSITIVE_INFINITY],
  ] as const) {
    t.equal(parseNumber(text), value, text);
  }
  for (const text of ['', ' ', '.', 'e1', '1e', '0x10', '1,0', 'Infinity', '1 ', '１', '1n', '--1']) {
    t.ok(Number.isNaN(parseNumber(text)), JSON.stringify(text));
  }
  t.end();
});
