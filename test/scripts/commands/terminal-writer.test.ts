/** A terminal that takes nothing for a while, played by a pipe that is full. */
import { spawnSync } from 'node:child_process';
import { constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { TerminalWriter } from '../../../scripts/commands/terminal-writer.ts';

t.test('what a terminal does not take comes later, in order, and nobody waits for it', async (t) => {
  const path = join(t.testdir(), 'pipe');
  if (process.platform === 'win32' || spawnSync('mkfifo', [path]).status !== 0) {
    t.comment('NOT TESTED: no named pipes here');
    t.pass();
    return;
  }
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const writer = new TerminalWriter(fd);
  writer.write('taken at once;');
  t.notOk(writer.isHeldUp);
  let filled = 0;
  const block = Buffer.alloc(1024, '.');
  t.throws(() => {
    for (;;) filled += writeSync(fd, block);
  }, 'it is full');
  writer.write('first;');
  t.ok(writer.isHeldUp);
  writer.write('second');
  const bytes = Buffer.alloc(filled + 1000);
  let count = readSync(reader, bytes, 0, 14, null);
  t.equal(bytes.toString('utf8', 0, count), 'taken at once;');
  count = 0;
  for (let tries = 0; tries < 400 && count < filled + 12; tries++) {
    await setTimeout(10);
    try {
      count += readSync(reader, bytes, count, bytes.length - count, null);
    } catch {
      // nothing is there yet
    }
  }
  t.equal(bytes.toString('utf8', filled, count), 'first;second');
  t.notOk(writer.isHeldUp);
});

t.test('a terminal that is gone, and what is none', (t) => {
  if (process.platform === 'linux') {
    const gone = new TerminalWriter(openSync('/dev/full', 'w'));
    gone.write('lost');
    t.notOk(gone.isHeldUp, 'an error is no reason to keep it');
  }
  t.equal(TerminalWriter.behind({}), null, 'what is no file has the stream that it has');
  t.end();
});
