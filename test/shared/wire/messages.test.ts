/** What the schemas of the control messages refuse. */
import t from 'tap';
import { quoted } from '../../../shared/errors.ts';
import {
  mostNodes,
  reasonLength,
  recipeBytes,
  timelineLength,
  timelineSegments,
  timelineThreads,
} from '../../../shared/wire/limits.ts';
import { schemas } from '../../../shared/wire/messages.ts';
import { type Golden, goldenMessages } from '../../helpers/golden-messages.ts';

/** True if the schema of the golden message's direction takes it with these fields changed. */
function takes({ to, message }: Golden, changes: Readonly<Record<string, unknown>> = {}): boolean {
  return schemas[to].safeParse({ ...message, ...changes }).success;
}

/** The golden message of a type. */
function golden(type: string): Golden {
  const found = goldenMessages.find(({ message }) => message.type === type);
  if (found === undefined) throw new Error(`there is no golden ${type}`);
  return found;
}

const noCounts = [
  -1,
  0.5,
  Number.NaN,
  Number('1e309'),
  2 ** 32,
  2 ** 53,
  '1',
  null,
  true,
  [1],
  {},
  undefined,
];
const noStrings = ['', 1, null, ['a'], {}, undefined];
/** Of text for people nothing is left where nothing can be seen. */
const noTexts = [...noStrings, ' ', '\u0000\u0007\u001b', '\u200b\u2028'];
const noHashes = [...noTexts, 'f'.repeat(63), 'f'.repeat(65), 'F'.repeat(64), `${'f'.repeat(63)}\n`];

const noTimelines = [
  ...['', '0', 'a1', '0a', '0a1b', '0a1i1', '0A1', '-1a1', '0a-1', '0a1.5', ' 0a1', '0a1 ', '0a1\n', '٣a1'],
  ...[
    '1234567890a1',
    '0a1234567890',
    `0${'a1'.repeat(timelineSegments + 1)}`,
    `0${'a12345'.repeat(timelineLength / 6)}`,
    '0a1i5',
    '__proto__',
  ],
];

/** Type → field → values that it must not have. */
const wrong: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  hello: {
    protocol: noCounts,
    arithmetic: noCounts,
    version: [...noTexts, 'v'.repeat(33)],
    answer: noHashes,
    workerId: [...noTexts, 'f'.repeat(31), 'f'.repeat(64), 'g'.repeat(32)],
    name: [...noTexts, 'n'.repeat(65)],
    threads: [...noCounts, 0, 1025],
    kernels: [...noTexts, 'k'.repeat(33)],
  },
  fetch: {},
  join: {},
  ready: { step: noCounts },
  checksum: { step: noCounts, sha256: noHashes },
  timeline: {
    step: noCounts,
    microseconds: noCounts,
    threads: [
      ...[null, 1, '0a1', {}, undefined, [], [null], [1], ['0a1', ['0a1']]],
      Array.from({ length: timelineThreads + 1 }, () => '0a1'),
      ...noTimelines.map((one) => ['0a1', one]),
    ],
  },
  leave: { reason: [...noTexts, 'r'.repeat(257)] },
  heartbeat: {},
  pong: { number: noCounts },
  welcome: {
    version: [...noTexts, 'v'.repeat(33)],
    run: noCounts,
    ticket: [...noTexts, 't'.repeat(65)],
    name: [...noTexts, 'n'.repeat(81)],
    recipe: [...noStrings, 'r'.repeat(recipeBytes + 1)],
    samples: [
      ...[null, 1, [], {}, { train: 1 }, { train: 1, test: 1, more: 1 }],
      ...noCounts.flatMap((count) => [
        { train: count, test: 1 },
        { train: 1, test: count },
      ]),
    ],
  },
  refuse: { reason: [...noTexts, 'r'.repeat(reasonLength + 1)] },
  resync: { reason: [...noTexts, 'r'.repeat(reasonLength + 1)] },
  assign: {
    step: noCounts,
    nodes: [
      ...[null, 1, 'nodes', {}, undefined, [], [[]], [[0]], [[0, 1, 2]], [[0, 1], null], [{ 0: 0, 1: 1 }]],
      ...[
        [[1, 1]],
        [[2, 1]],
        [
          [0, 1],
          [3, 2],
        ],
        Array.from({ length: mostNodes + 1 }, (_, i) => [i, i + 1]),
      ],
      ...noCounts.flatMap((count) => [[[count, 8]], [[0, count]]]),
    ],
  },
  evaluate: { step: noCounts, from: [...noCounts, 79, 80], to: [...noCounts, 0] },
  watch: { every: noCounts },
  ping: { number: noCounts },
  end: { reason: [...noTexts, 'r'.repeat(reasonLength + 1)], failed: [0, 1, 'true', null, undefined] },
};

t.test('every field of every message is in the table of wrong values', (t) => {
  for (const { message } of goldenMessages) {
    t.same(Object.keys(wrong[message.type] ?? {}), Object.keys(message).slice(1), message.type);
  }
  t.end();
});

for (const [type, fields] of Object.entries(wrong)) {
  t.test(`${type}: only what it should be`, (t) => {
    const one = golden(type);
    t.ok(takes(one), 'as it is');
    t.notOk(takes(one, { more: 1 }), 'with an unknown key');
    t.notOk(takes(one, { type: `${type}s` }), 'with an unknown type');
    for (const [field, values] of Object.entries(fields)) {
      const { [field]: _, ...rest } = one.message as Record<string, unknown>;
      t.notOk(schemas[one.to].safeParse(rest).success, `without ${field}`);
      for (const value of values)
        t.notOk(takes(one, { [field]: value }), `${field}: ${quoted(String(value))}`);
    }
    t.end();
  });
}

t.test('the borders of the ranges belong to them', (t) => {
  for (const step of [0, 2 ** 32 - 1]) t.ok(takes(golden('ready'), { step }));
  for (const threads of [1, 1024]) t.ok(takes(golden('hello'), { threads }));
  t.ok(takes(golden('assign'), { nodes: [[2 ** 32 - 2, 2 ** 32 - 1]] }));
  t.ok(takes(golden('assign'), { nodes: Array.from({ length: mostNodes }, (_, i) => [i, i + 1]) }));
  t.ok(takes(golden('welcome'), { recipe: 'r'.repeat(recipeBytes) }));
  for (const type of ['refuse', 'resync', 'end']) {
    t.ok(takes(golden(type), { reason: 'r'.repeat(reasonLength) }), type);
  }
  const longest = `0${'a1234'.repeat(timelineSegments)}`;
  t.ok(takes(golden('timeline'), { threads: Array.from({ length: timelineThreads }, () => longest) }));
  t.ok(takes(golden('timeline'), { threads: ['999999999h999999999'] }));
  t.ok(takes(golden('evaluate'), { from: 78, to: 79 }));
  t.end();
});

t.test('what is no message at all is refused', (t) => {
  for (const schema of Object.values(schemas)) {
    for (const value of [null, undefined, 0, 'heartbeat', [], ['type', 'heartbeat'], {}]) {
      t.notOk(schema.safeParse(value).success);
    }
  }
  t.end();
});
