import t from 'tap';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { listenFlags } from '../../../scripts/commands/network-flags.ts';
import { readToken } from '../../../scripts/commands/token.ts';
import { tokenLength } from '../../../shared/wire/limits.ts';
import { refusal } from '../../helpers/refusal.ts';

const read = (token: string) => readToken(new FlagValues(listenFlags, { token }, {}));
const { min, max } = tokenLength;

t.test('a token is as long as it may be, in characters and not in bytes', (t) => {
  for (const letter of ['x', 'ä', '🙂']) {
    for (const length of [min, max]) t.equal(read(letter.repeat(length)), letter.repeat(length));
    for (const length of [min - 1, max + 1]) {
      t.equal(
        refusal(() => read(letter.repeat(length))),
        `--token: got ${length} characters, expected ${min} to ${max} printable characters without spaces`,
      );
    }
  }
  t.equal(readToken(new FlagValues(listenFlags, {}, {})), null);
  t.end();
});

t.test('what cannot be seen is refused, and the token is never shown', (t) => {
  for (const letter of [' ', '\t', '\u0000', '\u200b', '\u00a0', '\ud800']) {
    const line = refusal(() => read(`s3cret${letter}s3cret`));
    t.match(line, /^--token: got a space or a character that cannot be seen, expected 8 to 256/);
    t.notMatch(line, /s3cret/);
  }
  t.end();
});
