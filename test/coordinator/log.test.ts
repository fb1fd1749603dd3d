/** The log of a run: what its lines say, where it can go, and what happens when it cannot be written. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RunLog } from '../../coordinator/log.ts';
import { checkRunFile } from '../../coordinator/run-file.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { jsonLines } from '../helpers/cli.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';

const shownStep = { epoch: 1, step: 2, samples: 12, loss: 0.5, accuracy: 0.25, seconds: 0.001 };
const step = { ...shownStep, digest: 'ab'.repeat(32) };
const epoch = {
  epoch: 1,
  steps: 2,
  loss: 0.25,
  change: null,
  testLoss: 0.75,
  testAccuracy: 0.5,
  seconds: 1,
  samplesPerSecond: 12,
};
const unexpected = (error: LockstepError) => {
  throw error;
};

t.test('a line for each step and each epoch, with their fields and no others', (t) => {
  const path = join(t.testdir(), 'new', 'log.jsonl');
  const log = new RunLog(path, unexpected);
  log.steps([{ ...step, step: 1 }, step]);
  log.epoch(epoch);
  log.close();
  const { change, samplesPerSecond, ...shown } = epoch;
  t.strictSame(jsonLines(path), [{ ...shownStep, step: 1 }, shownStep, shown]);
  t.notOk(log.failed);
  new RunLog(path, unexpected).close();
  t.equal(readFileSync(path, 'utf8'), '', 'a log that is there is begun anew');
  t.end();
});

t.test('a log that cannot be written any more gives one alarm and is no exception', (t) => {
  if (!hasFile(t, '/dev/full')) {
    t.end();
    return;
  }
  const alarms: LockstepError[] = [];
  const log = new RunLog('/dev/full', (error) => alarms.push(error));
  t.notOk(log.failed, 'it can be opened');
  log.steps([step]);
  log.steps([step]);
  log.epoch(epoch);
  log.close();
  t.ok(log.failed);
  t.equal(alarms.length, 1);
  t.equal(alarms[0].code, 'OUTPUT');
  t.match(
    alarms[0].message,
    /^cannot write the log "\/dev\/full" \(ENOSPC: no space left on device\); the run goes on without this log$/,
  );
  t.end();
});

t.test('a log that cannot be opened is refused, beforehand too', (t) => {
  const base = t.testdir({ folder: {}, file: '' });
  for (const open of [
    (path: string) => checkRunFile(path, 'log'),
    (path: string) => new RunLog(path, unexpected),
  ]) {
    t.match(
      refusal(() => open(join(base, 'file', 'x')), 'OUTPUT'),
      /^cannot write the log ".*x" \(E[A-Z]+: [a-z ]+\); choose/,
    );
    t.match(
      refusal(() => open(join(base, 'folder')), 'OUTPUT'),
      /^cannot write the log ".*folder" \((it is a folder|EISDIR: .*)\); choose/,
    );
  }
  if (hasFile(t, '/dev/null')) checkRunFile('/dev/null', 'log');
  checkRunFile(join(base, 'file'), 'log');
  checkRunFile(join(base, 'new', 'log'), 'log');
  t.throws(() => readFileSync(join(base, 'new', 'log')), { code: 'ENOENT' }, 'a check makes nothing');
  t.end();
});

t.test('a pipe: without a reader it is refused, and one who stops reading holds nothing up', (t) => {
  const pipe = join(t.testdir(), 'pipe');
  if (spawnSync('mkfifo', [pipe]).status !== 0) {
    t.comment('no mkfifo here');
    t.end();
    return;
  }
  t.match(
    refusal(() => new RunLog(pipe, unexpected), 'OUTPUT'),
    /^cannot write the log ".*pipe" \(nobody reads this pipe: start its reader first\); choose/,
  );
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => closeSync(reader));
  const alarms: LockstepError[] = [];
  const log = new RunLog(pipe, (error) => alarms.push(error));
  const read = () => {
    const bytes = Buffer.alloc(2 ** 21);
    let length = 0;
    try {
      for (let more = 1; more > 0; length += more)
        more = readSync(reader, bytes, length, 2 ** 21 - length, null);
    } catch {} // there is no more just now
    return bytes.toString('utf8', 0, length);
  };
  // More than a pipe holds, and less than waits for its reader.
  for (let i = 0; i < 4000; i++) log.steps([step]);
  let text = '';
  for (let i = 0; i < 20; i++) {
    text += read();
    log.steps([step]);
  }
  t.equal(alarms.length, 0);
  t.same(
    text
      .split('\n')
      .slice(0, 4000)
      .map((line) => JSON.parse(line).step),
    Array(4000).fill(step.step),
  );
  for (let i = 0; i < 40_000; i++) log.steps([step]);
  log.close();
  t.equal(alarms.length, 1);
  t.match(alarms[0].message, /pipe" \(nobody reads it any more\); the run goes on without this log$/);
  t.end();
});
