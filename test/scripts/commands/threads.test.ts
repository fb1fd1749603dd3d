import t from 'tap';
import { threadsOfRank } from '../../../scripts/commands/threads.ts';

t.test('ranks of a machine share its cores, unless their launcher has bound them to some', (t) => {
  t.equal(threadsOfRank(16, 16, 4), 4);
  t.equal(threadsOfRank(16, 16, 3), 5);
  t.equal(threadsOfRank(2, 2, 8), 1, 'each has one at least');
  t.equal(threadsOfRank(16, 16, null), 16, 'alone, as far as anybody knows');
  t.equal(threadsOfRank(8, 16, 2), 8, 'bound to eight');
  t.equal(threadsOfRank(1, 16, 4), 1);
  t.equal(threadsOfRank(8, 16, null), 8, 'alone in a container, as far as anybody knows');
  t.equal(threadsOfRank(8, 16, 4), 2, 'eight for all of them: a container');
  t.equal(threadsOfRank(4, 16, 8), 1);
  t.end();
});
