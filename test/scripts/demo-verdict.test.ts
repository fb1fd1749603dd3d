import t from 'tap';
import { verdict } from '../../scripts/demo-verdict.ts';

const good = { weightsDigest: 'a', expected: 'a', deaths: 1, joins: 4 };

t.test('other bits are never anything but wrong', (t) => {
  for (const more of [{}, { deaths: 0 }, { joins: 3 }]) {
    const { exitCode, line } = verdict({ ...good, expected: 'b', ...more });
    t.equal(exitCode, 1);
    t.match(line, /^NOT WHAT IT MUST BE: please report/);
  }
  t.match(verdict({ ...good, expected: null }), { exitCode: 1, line: /^one thread ended without a result/ });
  t.end();
});

t.test('the same bits are right, and it is said what the run did not show', (t) => {
  t.same(verdict(good), { exitCode: 0, line: 'the same bits' });
  for (const [more, says] of [
    [{ deaths: 0, joins: 3 }, /^the same bits, but the run was too short for the kill; more --epochs/],
    [{ deaths: 0, joins: 4 }, /too short for the kill;/],
    [{ joins: 3 }, /too short for the fourth worker;/],
    [{ deaths: 2 }, /other workers were lost, too$/],
    [{ joins: 5 }, /other workers were lost, too$/],
  ] as const) {
    t.match(verdict({ ...good, ...more }), { exitCode: 0, line: says });
  }
  t.end();
});
