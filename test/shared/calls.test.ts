/** The small language of layers and optimizers: round trips, canonical texts, and what it refuses. */
import fc from 'fast-check';
import t from 'tap';
import { formatCall, parseCall, parseCalls, parseNumber } from '../../shared/calls.ts';
import { callTable as table } from '../helpers/call-table.ts';

const seed = 20261125;
t.comment(`fast-check seed ${seed}`);

/** A call with options that are all given. */
const call = fc.oneof(
  fc.record({
    name: fc.constant('layer'),
    options: fc.record({ units: fc.integer({ min: 1, max: 65_536 }) }),
  }),
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
      rest: fc.double({ min: -3e38, max: 0.9999, noNaN: true }),
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
      const isSame = Object.entries(call.options).every(([key, value]) => parsed.options[key] === value);
      return parsed.name === call.name && isSame && formatCall(parsed, table) === text;
    }),
    { seed, numRuns: 300 },
  );
  t.pass('300 calls');
  t.end();
});

t.test('the order of options, spaces and the way numbers are written change nothing', (t) => {
  const space = fc.constantFrom('', ' ', '\t', '\n ', '  ');
  fc.assert(
    fc.property(
      call,
      fc.array(space, { minLength: 20, maxLength: 20 }),
      fc.boolean(),
      (call, spaces, turn) => {
        const next = () => spaces.pop() ?? '';
        const written = Object.entries(call.options).map(([key, value]) => {
          const isNumber = typeof value === 'number' && key !== 'scale';
          const shown = isNumber && turn ? value.toExponential() : value;
          return `${next()}${key}${next()}=${next()}${shown}${next()}`;
        });
        if (turn) written.reverse();
        const text = `${next()}${call.name}${next()}(${written.join(',')})${next()}`;
        return formatCall(parseCall(text, table, 'here'), table) === formatCall(call, table);
      },
    ),
    { seed, numRuns: 300 },
  );
  t.pass('300 texts');
  t.end();
});

t.test(
  'canonical texts leave defaults out, and write the first option without its name if it must be there',
  (t) => {
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
  },
);

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
