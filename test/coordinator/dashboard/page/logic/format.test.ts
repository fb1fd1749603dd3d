/** How numbers and times are written. */
import t from 'tap';
import {
  duration,
  grouped,
  milliseconds,
  percent,
  shortNumber,
  wholePercent,
} from '../../../../../coordinator/dashboard/page/logic/format.ts';

t.test('numbers have four digits that matter', (t) => {
  const written = [0, 0.123456, 2.30261, 12.3456, 1234.56, 12_345.6, -0.5, 0.00001234, 1.5e12].map(
    shortNumber,
  );
  t.same(written, ['0', '0.1235', '2.303', '12.35', '1235', '12,346', '-0.5', '1.23e-5', '1.50e+12']);
  t.end();
});

t.test('durations have two parts', (t) => {
  const written = [0, 0.4, 59.4, 59.6, 200, 3_599.7, 7_500, 172_800, 273_600].map(duration);
  t.same(written, [
    '0 s',
    '0 s',
    '59 s',
    '1 min 00 s',
    '3 min 20 s',
    '1 h 00 min',
    '2 h 05 min',
    '2 d 0 h',
    '3 d 4 h',
  ]);
  t.end();
});

t.test('counts, shares and milliseconds have their units', (t) => {
  t.same([grouped(0), grouped(1_234_567.6)], ['0', '1,234,568']);
  t.same([percent(0.9731), percent(1, 0)], ['97.31 %', '100 %']);
  t.same([0.312, 9.999, 12.4, 1500].map(milliseconds), ['0.31 ms', '10.00 ms', '12 ms', '1.5 s']);
  t.end();
});

t.test('all of it is said only of all of it', async (t) => {
  t.equal(wholePercent(9_379, 9_380), '99 %');
  t.equal(wholePercent(9_380, 9_380), '100 %');
  t.equal(wholePercent(29, 100), '29 %', 'a share would be 28.999…');
  t.equal(wholePercent(0, 0), '100 %');
});
