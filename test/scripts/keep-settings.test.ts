/** How a run is kept, as flags and options say it. */
import t from 'tap';
import {
  keepDefaults,
  keepTexts,
  parseKeepSettings,
  resumedKeepSettings,
} from '../../scripts/keep-settings.ts';
import { refusal } from '../helpers/refusal.ts';

const label = (name: string) => `--${name}`;
const every = (checkpointEvery: string) => parseKeepSettings({ checkpointEvery }, label).every;

t.test('a number is steps, a number with a unit is time', (t) => {
  t.strictSame(every('20'), { kind: 'steps', steps: 20 });
  t.strictSame(every('1e3'), { kind: 'steps', steps: 1000 });
  t.strictSame(every('5s'), { kind: 'time', ms: 5000 });
  t.strictSame(every('1.5m'), { kind: 'time', ms: 90_000 });
  t.strictSame(every('250ms'), { kind: 'time', ms: 250 });
  for (const text of [
    '0',
    '-1',
    '2.5',
    '0s',
    '-1s',
    'NaN',
    '1e309',
    '1e309s',
    '500h',
    's',
    '5 s',
    '5d',
    '',
  ]) {
    t.match(
      refusal(() => every(text), 'USAGE'),
      /^--checkpointEvery: got .*, expected a number of steps, or/,
    );
  }
  t.end();
});

t.test('at least two checkpoints, and a number that the test set gives', (t) => {
  t.equal(parseKeepSettings({ keep: '2' }, label).keep, 2);
  for (const keep of ['1', '0', '2.5', 'two', '1e9']) {
    t.match(
      refusal(() => parseKeepSettings({ keep }, label), 'USAGE'),
      /^--keep: got .*, expected an integer from 2/,
    );
  }
  t.equal(parseKeepSettings({ monitor: 'testAccuracy' }, label).monitor, 'testAccuracy');
  const misspelt = () => parseKeepSettings({ monitor: 'testloss' }, label);
  t.match(refusal(misspelt, 'USAGE'), /^--monitor: got "testloss", did you mean "testLoss"\?/);
  t.end();
});

t.test('a run that goes on is kept as before, where nothing else is said', (t) => {
  for (const texts of [
    {},
    { checkpointEvery: '7', keep: '5' },
    { checkpointEvery: '1.5s', monitor: 'testAccuracy' },
  ]) {
    const settings = parseKeepSettings(texts, label);
    t.strictSame(parseKeepSettings(keepTexts(settings), label), settings, 'its texts say the same');
    t.strictSame(resumedKeepSettings({}, label, settings), settings);
  }
  t.equal(resumedKeepSettings({ keep: '9' }, label, keepDefaults).keep, 9);
  const other = () => resumedKeepSettings({ monitor: 'testAccuracy' }, label, keepDefaults);
  t.match(refusal(other, 'USAGE'), /^--monitor: got testAccuracy, expected testLoss/);
  t.end();
});
