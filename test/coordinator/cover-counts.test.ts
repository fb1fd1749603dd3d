/** Counting covering nodes without listing them. */
import t from 'tap';
import { coverCounter } from '../../coordinator/cover-counts.ts';
import { coveringNodes } from '../../shared/reduction/tree.ts';

t.test('every span of every tree of up to 70 shards is counted as it is covered', (t) => {
  let spans = 0;
  let wrong = 0;
  for (let count = 1; count <= 70; count++) {
    const nodes = coverCounter(count);
    for (let lo = 0; lo <= count; lo++) {
      for (let hi = lo; hi <= count; hi++) {
        spans++;
        if (nodes(lo, hi) !== coveringNodes(lo, hi, count).length) wrong++;
      }
    }
  }
  t.equal(wrong, 0, `${spans} spans`);
  t.end();
});

t.test('so it is in the largest trees', (t) => {
  for (const count of [65_535, 65_536, 43_691]) {
    const nodes = coverCounter(count);
    for (let lo = 1; lo < count; lo += 6_133) {
      for (const hi of [lo + 1, Math.floor((lo + count) / 2), count - 1, count]) {
        if (nodes(lo, hi) !== coveringNodes(lo, hi, count).length) t.fail(`${lo} … ${hi - 1} of ${count}`);
      }
    }
  }
  t.pass();
  t.end();
});
