/** A log from its beginning: its lines, whatever its blocks. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { logLinesInOrder } from '../../coordinator/log-lines.ts';
import { refusal } from '../helpers/refusal.ts';
import { randomWords } from '../helpers/values.ts';

const folder = t.testdir();

function linesOf(content: string | Buffer) {
  const path = join(folder, 'log.jsonl');
  writeFileSync(path, content);
  return [...logLinesInOrder(path)];
}

const ended = (text: string) => ({ text, isEnded: true });

t.test('lines come in order, and a last one without an end is told from the others', (t) => {
  t.same(linesOf(''), []);
  t.same(linesOf('\n'), [ended('')]);
  t.same(linesOf('a\nb\n'), [ended('a'), ended('b')]);
  t.same(linesOf('a\n\nbc'), [ended('a'), ended(''), { text: 'bc', isEnded: false }]);
  t.end();
});

t.test('lines of any length across blocks are whole, also where a letter takes several bytes', (t) => {
  const random = randomWords(20261123);
  for (let i = 0; i < 20; i++) {
    const lines = Array.from({ length: random() % 400 }, () => 'ü€x'.repeat(random() % 300));
    t.same(
      linesOf(lines.map((line) => `${line}\n`).join('')).map(({ text }) => text),
      lines,
      `${lines.length} lines`,
    );
  }
  t.end();
});

t.test('what is no log is refused: an endless line, a folder, nothing', (t) => {
  t.match(
    refusal(() => linesOf(Buffer.alloc(3 * 2 ** 20)), 'DATA'),
    /log\.jsonl": a line of more than 1048576 bytes; expected the log of a run$/,
  );
  t.match(
    refusal(() => [...logLinesInOrder(folder)], 'DATA'),
    /not a regular file/,
  );
  t.match(
    refusal(() => [...logLinesInOrder(join(folder, 'nothing'))], 'DATA'),
    /ENOENT/,
  );
  t.end();
});
