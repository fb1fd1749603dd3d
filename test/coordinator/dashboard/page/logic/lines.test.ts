/** Lines out of pieces. */
import t from 'tap';
import { LineSplitter, longestLine } from '../../../../../coordinator/dashboard/page/logic/lines.ts';
import { randomWords } from '../../../../helpers/values.ts';

t.test('lines are the same however they are cut', (t) => {
  const random = randomWords(20261123);
  const lines = Array.from({ length: 200 }, (_, i) => JSON.stringify({ i, text: 'ü'.repeat(random() % 40) }));
  const whole = `${lines.join('\n')}\n`;
  for (let seed = 0; seed < 20; seed++) {
    const splitter = new LineSplitter();
    const got: string[] = [];
    for (let at = 0; at < whole.length; ) {
      const length = 1 + (random() % 60);
      got.push(...splitter.take(whole.slice(at, at + length)));
      at += length;
    }
    t.same(got, lines);
  }
  t.end();
});

t.test('a line that has not ended is kept back, and one without an end is refused', (t) => {
  const splitter = new LineSplitter();
  t.same(splitter.take('{"a":'), []);
  t.same(splitter.take('1}\n\n{'), ['{"a":1}']);
  t.throws(() => splitter.take('x'.repeat(longestLine)), { message: /more than/ });
  t.end();
});
