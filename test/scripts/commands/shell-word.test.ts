import { execFileSync } from 'node:child_process';
import t from 'tap';
import { shellWord } from '../../../scripts/commands/shell-word.ts';
import { hasFile } from '../../helpers/platform.ts';

t.test('plain words stay as they are, others are quoted', (t) => {
  t.equal(shellWord('wss://10.0.0.5:7077'), 'wss://10.0.0.5:7077');
  t.equal(shellWord('ws://[::1]:7319'), '"ws://[::1]:7319"', 'brackets are a pattern for some shells');
  t.equal(shellWord('sha256:00'), 'sha256:00');
  t.equal(shellWord('$HOME'), "'$HOME'");
  t.end();
});

t.test('a shell reads back what was quoted', (t) => {
  if (!hasFile(t, '/bin/sh')) {
    t.end();
    return;
  }
  const words = [
    'a b',
    "it's",
    '$HOME',
    '`x`',
    'a!b',
    '',
    'back\\slash',
    "'$x'",
    '*',
    '[a]',
    '~',
    'ä;|&<>',
    '"',
  ];
  const script = `printf '%s\\n' ${words.map(shellWord).join(' ')}`;
  t.same(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\n').slice(0, -1), words);
  t.end();
});
