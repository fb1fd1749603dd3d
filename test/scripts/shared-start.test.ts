/** What rank 0 goes on from comes to the other ranks as it was, or not at all. */
import t from 'tap';
import { encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { type Attempt, decodeStart, encodeStart } from '../../scripts/shared-start.ts';
import { dataError, LockstepError, usageError } from '../../shared/errors.ts';
import { fuzzInputs } from '../helpers/fuzz.ts';
import { sampleRun } from '../helpers/run-states.ts';

const seed = 20261124;
const { architecture, recipe, state } = sampleRun({
  model: 'dense(3) batchnorm dense(10)',
  stopping: 'best',
});

const sent = (attempt: Attempt): Buffer => Buffer.concat(encodeStart(attempt));
const begun = { recipe, state: null, data: 'données', isFinished: false };
const underWay = { recipe, state, data: null, isFinished: false };

t.test('nothing to go on from, a recipe, and a finished run come as they were', (t) => {
  t.equal(decodeStart(sent({ value: null })), null);
  t.strictSame(decodeStart(sent({ value: begun })), begun);
  const finished = { ...begun, data: null, isFinished: true };
  t.strictSame(decodeStart(sent({ value: finished })), finished);
  t.end();
});

t.test('a state comes equal to the bit, wherever it lies in a buffer', (t) => {
  const bytes = sent({ value: underWay });
  const shifted = Buffer.concat([new Uint8Array(3), bytes]).subarray(3);
  const got = decodeStart(shifted);
  t.strictSame({ ...got, state: null }, { ...underWay, state: null });
  if (got === null || got.state === null) throw new Error('no state came');
  t.strictSame(got.state, state);
  // strictSame takes 0 for −0.
  const bits = (one: typeof state) => Buffer.concat(encodeCheckpoint(architecture, recipe, one));
  t.ok(bits(got.state).equals(bits(state)), 'the same checkpoint');
  t.end();
});

t.test('an error of rank 0 is that of all, with its code', (t) => {
  for (const error of [usageError('--resume: there is no "nowhere"'), dataError('é\n')]) {
    t.throws(() => decodeStart(sent({ value: null, error })), {
      name: 'LockstepError',
      code: error.code,
      exitCode: error.exitCode,
      message: error.message,
    });
  }
  t.end();
});

/** What is said of bytes; null where they are read. */
function reasonFor(bytes: Uint8Array): string | null {
  try {
    decodeStart(bytes);
    return null;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    if (
      error.code === 'MPI' &&
      !/^what rank 0 goes on from did not come as it was sent \(/.test(error.message)
    )
      throw error;
    return error.message;
  }
}

t.test('cut anywhere it is refused', (t) => {
  for (const value of [null, begun, underWay]) {
    const bytes = sent({ value });
    // Of a state every place near an end of a part, and some within.
    const step = bytes.length > 2000 ? 97 : 1;
    const cuts = Array.from({ length: bytes.length }, (_, at) => at);
    const text = 4 + bytes.readUInt32LE(0);
    const tried = cuts.filter((at) => at % step === 0 || Math.abs(at - text) < 9 || bytes.length - at < 9);
    const read = tried.filter((at) => reasonFor(bytes.subarray(0, at)) === null);
    t.same(read, [], `${tried.length} cuts of ${bytes.length} bytes`);
    t.match(
      reasonFor(Buffer.concat([bytes, Buffer.of(0)])),
      /a checkpoint of \d+ bytes, expected/,
      'and longer',
    );
  }
  t.end();
});

t.test('JSON of another shape is refused', (t) => {
  const told = (value: unknown) => {
    const text = Buffer.from(JSON.stringify(value));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, text]);
  };
  const good = { recipe: null, data: null, isFinished: false, error: null, checkpointBytes: 0 };
  t.equal(reasonFor(told(good)), null);
  const differences = [
    ...[{ recipe: 7 }, { data: [] }, { isFinished: 'no' }, { checkpointBytes: '0' }, { error: undefined }],
    ...[{ error: 'x' }, { error: { code: 'constructor', message: '' } }, { error: { code: 'DATA' } }],
  ];
  for (const bad of [null, [], 7, {}, ...differences.map((different) => ({ ...good, ...different }))]) {
    t.match(reasonFor(told(bad)), /\(its JSON has other fields\)/, JSON.stringify(bad));
  }
  t.match(reasonFor(told({ ...good, recipe: '{"epochs":-1}' })), /the recipe .* cannot be used/);
  t.end();
});

t.test('whatever bytes come, they are read or refused in one line', (t) => {
  const samples = [sent({ value: null }), sent({ value: begun }), sent({ value: underWay })];
  const reasons = new Set<string>();
  let count = 0;
  for (const bytes of fuzzInputs(3_000, seed, samples)) {
    const reason = reasonFor(bytes);
    if (reason === null) continue;
    count++;
    if (/\p{Cc}/u.test(reason)) t.fail(`not one line: ${JSON.stringify(reason)}`);
    reasons.add(reason.replace(/[\d.]+|"[^"]*"/g, '…').slice(0, 100));
  }
  t.ok(count > 1_000, `${count} refusals`);
  t.ok(reasons.size > 5, `${reasons.size} reasons`);
  t.end();
});
