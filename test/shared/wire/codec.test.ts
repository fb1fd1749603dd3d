/** Control messages there and back: golden bytes, and every reason for which bytes are no message. */
import { getHeapStatistics } from 'node:v8';
import { Packr } from 'msgpackr/pack';
import t from 'tap';
import { roomForText } from '../../../shared/timeline-text.ts';
import { decodeMessage, encodeMessage } from '../../../shared/wire/codec.ts';
import {
  controlBytes,
  helloBytes,
  mostNodes,
  reasonLength,
  recipeBytes,
  timelineThreads,
} from '../../../shared/wire/limits.ts';
import {
  type Hello,
  schemas,
  type ToCoordinator,
  type ToWorker,
  type Welcome,
} from '../../../shared/wire/messages.ts';
import { fuzzInputs, slowestMs } from '../../helpers/fuzz.ts';
import { goldenMessages } from '../../helpers/golden-messages.ts';
import { fromHex, toHex } from '../../helpers/hex.ts';

const seed = 20261123;
t.comment(`seed ${seed}`);

type To = keyof typeof schemas;
const directions: readonly To[] = ['toCoordinator', 'toWorker'];

/** Any value as bytes, for what no encoder of ours would write. */
const packr = new Packr({ useRecords: false, variableMapSize: true });

/** Why the bytes are no message; it must be one short line. */
function reasonAgainst(to: To, bytes: Uint8Array, limitBytes?: number): string {
  const result = decodeMessage(to, bytes, limitBytes);
  if (typeof result !== 'string') throw new Error(`it was read: ${JSON.stringify(result)}`);
  if (!/^\P{Cc}{1,200}$/u.test(result)) throw new Error(`no short line: ${JSON.stringify(result)}`);
  return result;
}

t.test('there is a golden message of every type, for every direction', (t) => {
  for (const to of directions) {
    const types = schemas[to].options.map(({ shape }) => shape.type.value);
    const golden = goldenMessages.filter((one) => one.to === to).map(({ message }) => message.type);
    t.same(golden, types);
  }
  t.end();
});

for (const { to, message, bytes } of goldenMessages) {
  t.test(`${to}, ${message.type}: the golden bytes are written and read`, (t) => {
    t.equal(toHex(encodeMessage(message)), toHex(bytes));
    t.same(decodeMessage(to, bytes), message);
    t.end();
  });

  t.test(`${to}, ${message.type}: cut at any byte, or longer by one, it is none`, (t) => {
    for (let length = 0; length < bytes.length; length++) {
      const reason = reasonAgainst(to, bytes.subarray(0, length));
      if (reason !== `cut off: it needs more than its ${length} bytes`) t.fail(`${length} bytes: ${reason}`);
    }
    t.equal(reasonAgainst(to, Uint8Array.of(...bytes, 0xc0)), '1 bytes behind its end');
    t.end();
  });

  t.test(`${to}, ${message.type}: it is none in the other direction`, (t) => {
    const other = to === 'toWorker' ? 'toCoordinator' : 'toWorker';
    t.match(reasonAgainst(other, bytes), /^type: Invalid discriminator value/);
    t.end();
  });
}

const sha256 = 'f'.repeat(64);
const wide = '\u4e16'; // three bytes of UTF-8
const hello: Hello = {
  ...{ type: 'hello', protocol: 2 ** 32 - 1, arithmetic: 2 ** 32 - 1, version: wide.repeat(32) },
  ...{
    answer: sha256,
    workerId: 'f'.repeat(32),
    name: wide.repeat(64),
    threads: 1024,
    kernels: wide.repeat(32),
  },
};
const welcome: Welcome = {
  ...{ type: 'welcome', version: wide.repeat(32), run: 2 ** 32 - 1, ticket: wide.repeat(64) },
  ...{
    name: wide.repeat(80),
    recipe: '#'.repeat(recipeBytes),
    samples: { train: 2 ** 32 - 1, test: 2 ** 32 - 1 },
  },
};

t.test('the largest messages fit their limits', (t) => {
  t.ok(encodeMessage(hello).length <= helloBytes, `hello: ${encodeMessage(hello).length} bytes`);
  t.same(decodeMessage('toCoordinator', encodeMessage(hello), helloBytes), hello);
  t.same(decodeMessage('toWorker', encodeMessage(welcome)), welcome);
  const nodes = Array.from({ length: mostNodes }, (_, i): [number, number] => [i, 2 ** 32 - 1 - i]);
  const others: ToWorker[] = [
    { type: 'assign', step: 2 ** 32 - 1, nodes },
    { type: 'end', reason: wide.repeat(reasonLength), failed: true },
  ];
  for (const count of [1, timelineThreads]) {
    const room = roomForText(count);
    const longest = `0${'a123456789'.repeat(66)}`.slice(0, room).replace(/a$/, '1');
    const threads = Array.from({ length: count }, () => longest);
    const timeline: ToCoordinator = { type: 'timeline', step: 1, microseconds: 2 ** 32 - 1, threads };
    t.same(decodeMessage('toCoordinator', encodeMessage(timeline)), timeline, `${count} threads`);
  }
  for (const message of others) t.same(decodeMessage('toWorker', encodeMessage(message)), message);
  t.end();
});

t.test('a byte more than the limit is refused before it is looked at', (t) => {
  t.equal(
    reasonAgainst('toWorker', new Uint8Array(controlBytes + 1)),
    `${controlBytes + 1} bytes, expected at most ${controlBytes}`,
  );
  t.equal(
    reasonAgainst('toWorker', new Uint8Array(controlBytes)),
    `${controlBytes - 1} bytes behind its end`,
  );
  const bytes = encodeMessage(hello);
  t.equal(
    reasonAgainst('toCoordinator', bytes, bytes.length - 1),
    `${bytes.length} bytes, expected at most ${bytes.length - 1}`,
  );
  t.same(decodeMessage('toCoordinator', bytes, bytes.length), hello);
  t.end();
});

t.test('what nobody would read is not sent', (t) => {
  t.throws(
    () => encodeMessage({ ...welcome, recipe: wide.repeat(recipeBytes) }),
    /a welcome of \d+ bytes, at most 16384/,
  );
  const undefinedStep = { type: 'ready', step: undefined } as unknown as ToWorker;
  t.throws(() => encodeMessage(undefinedStep), /a ready that nobody would read: a value of type 0xd4/);
  t.end();
});

t.test('bytes that were encoded stay, whatever is encoded after them', (t) => {
  const bytes = encodeMessage({ type: 'end', reason: 'first', failed: true });
  const before = toHex(bytes);
  t.equal(bytes.buffer.byteLength, bytes.length, 'no piece of a shared pool');
  for (let i = 0; i < 1_000; i++) encodeMessage({ type: 'end', reason: `another ${i}`, failed: true });
  t.equal(toHex(bytes), before);
  t.end();
});

t.test('decoding leaves what it reads as it was', (t) => {
  const [{ bytes }] = goldenMessages;
  const copy = Uint8Array.from(bytes);
  decodeMessage('toCoordinator', copy);
  t.same(Reflect.ownKeys(copy), Reflect.ownKeys(Uint8Array.from(bytes)), 'no properties were added');
  t.same(copy, bytes);
  t.end();
});

t.test('text of the other end cannot move a terminal’s cursor', (t) => {
  const bytes = encodeMessage({ type: 'leave', reason: 'a\r\n\u001b[2Jb\u0085c' });
  t.same(decodeMessage('toCoordinator', bytes), { type: 'leave', reason: 'a [2Jb c' });
  t.match(reasonAgainst('toWorker', packr.pack({ type: 'end', reason: 'x', failed: true, abc: 1 })), /"abc"/);
  t.end();
});

t.test('a reason is one line of at most 200 characters, whatever it quotes', (t) => {
  const keys = Array.from({ length: 100 }, (_, i) => [`key${i}`, i]);
  const reason = reasonAgainst(
    'toCoordinator',
    packr.pack({ type: 'heartbeat', ...Object.fromEntries(keys) }),
  );
  t.equal(reason.length, 200);
  t.match(reason, /^Unrecognized keys: "key0", "key1"/);
  t.end();
});

t.test('an announced length allocates nothing', (t) => {
  // `{ type: <an array of 2^32 − 1 values> }` and the like, padded to the limit: cheap to send, dear to believe.
  for (const head of ['ddffffffff', 'dc3fff', 'dfffffffff', 'dbffffffff', 'c6ffffffff', 'c9ffffffff72']) {
    const start = fromHex(`81 a474797065 ${head}`);
    const bytes = Uint8Array.from({ length: controlBytes }, (_, i) => start[i] ?? 0x91);
    const before = getHeapStatistics().malloced_memory + process.memoryUsage().arrayBuffers;
    t.ok(slowestMs([bytes], 1, (bytes) => reasonAgainst('toWorker', bytes)) <= 1, `${head}: at once`);
    const grown = getHeapStatistics().malloced_memory + process.memoryUsage().arrayBuffers - before;
    t.ok(grown < 2 ** 20, `${head}: ${grown} bytes`);
  }
  t.end();
});

t.test('a number is one, however wide it was written', (t) => {
  for (const step of ['07', 'cd 0007', 'ce 00000007', 'cf 0000000000000007', 'cb 401c000000000000']) {
    const bytes = fromHex(`82 a474797065 a57265616479 a473746570 ${step}`);
    t.same(decodeMessage('toCoordinator', bytes), { type: 'ready', step: 7 }, step);
  }
  t.end();
});

t.test('__proto__ changes nothing', (t) => {
  const reason = reasonAgainst(
    'toCoordinator',
    fromHex('82 a474797065 a9686561727462656174 a9 5f5f70726f746f5f5f 81 a161 01'),
  );
  t.equal(reason, 'a key that is not of letters and digits');
  for (const key of ['constructor', 'toString', 'hasOwnProperty']) {
    t.equal(
      reasonAgainst('toCoordinator', packr.pack({ type: 'heartbeat', [key]: { a: 1 } })),
      `Unrecognized key: "${key}"`,
    );
  }
  t.notOk('a' in {});
  t.end();
});

for (const to of directions) {
  t.test(`${to}: 50,000 inputs that are mostly none: nothing is thrown, none takes 5 ms`, (t) => {
    const samples = goldenMessages.map(({ bytes }) => bytes);
    let read = 0;
    const slowest = slowestMs(fuzzInputs(50_000, seed, samples), 5, (bytes) => {
      const message = decodeMessage(to, bytes);
      if (typeof message === 'string') reasonAgainst(to, bytes);
      else {
        read++;
        encodeMessage(message);
      }
    });
    t.ok(slowest <= 5, `the slowest took ${slowest.toFixed(3)} ms`);
    t.ok(read > 500 && read < 25_000, `${read} were messages`);
    t.end();
  });
}
