import t from 'tap';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { readHostNames } from '../../../scripts/commands/host-names.ts';
import { listenFlags } from '../../../scripts/commands/network-flags.ts';
import { refusal } from '../../helpers/refusal.ts';

const read = (text: string) => readHostNames(new FlagValues(listenFlags, { 'host-name': text }, {}));

t.test('names and addresses are read as a URL has them', (t) => {
  t.same(read('Trainer.Example.org'), ['trainer.example.org']);
  t.same(read('trainer, 203.0.113.5,FD00:0:0::7,bücher.example'), [
    'trainer',
    '203.0.113.5',
    'fd00::7',
    'xn--bcher-kva.example',
  ]);
  t.same(readHostNames(new FlagValues(listenFlags, {}, {})), []);
  t.same(readHostNames(new FlagValues(listenFlags, {}, { LOCKSTEP_HOST_NAME: 'trainer' })), ['trainer']);
  t.end();
});

t.test('what is no name is refused', (t) => {
  for (const text of [
    'a,,b',
    'a b',
    'a:7077',
    'http://a',
    'a/b',
    'u@a',
    'a?b',
    'a#b',
    '[::1',
    'a\\b',
    'a%',
  ]) {
    t.match(
      refusal(() => read(text)),
      /^--host-name: got ".*", expected a name or an address without a port, like trainer\.example\.org, or/,
      text,
    );
  }
  t.end();
});
