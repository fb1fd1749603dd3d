/** Times as people write them. */
import t from 'tap';
import { durationMs } from '../../../scripts/commands/duration.ts';
import { FlagValues } from '../../../scripts/commands/flag-values.ts';
import { listenFlags } from '../../../scripts/commands/network-flags.ts';
import { refusal } from '../../helpers/refusal.ts';

const read = (text: string, least?: number) =>
  durationMs(new FlagValues(listenFlags, { 'step-timeout': text }, {}), 'step-timeout', 7, least);

t.test('seconds, or a number with a unit', (t) => {
  const times = {
    4: 4000,
    '0.5': 500,
    '250ms': 250,
    '90s': 90_000,
    '10m': 600_000,
    '1h': 3_600_000,
    '480h': 1_728e6,
  };
  for (const [text, ms] of Object.entries(times)) t.equal(read(text), ms, text);
  t.equal(durationMs(new FlagValues(listenFlags, {}, {}), 'step-timeout', 7), 7, 'not given');
  t.equal(read('0'), 0);
  t.end();
});

t.test('what is no time, or one that no timer bears', (t) => {
  for (const text of ['x', 's', '4 s', '-1', '4d', '1e9', '481h', 'NaN', '0x10', 'Infinity']) {
    t.match(
      refusal(() => read(text)),
      /^--step-timeout: got ".*", expected seconds, or a time like 90s, 10m or 1h, from 0 to 480h$/,
    );
  }
  t.match(
    refusal(() => read('0', 1)),
    /from 1 ms to 480h/,
  );
  t.end();
});
