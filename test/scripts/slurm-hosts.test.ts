import fc from 'fast-check';
import t from 'tap';
import { firstHost, tasksOfHost } from '../../scripts/slurm-hosts.ts';

t.test('the first host of a list as Slurm writes it', (t) => {
  const cases: Record<string, string> = {
    vm: 'vm',
    'node01,node02': 'node01',
    'node[01-03,7]': 'node01',
    'node[7,01-03]': 'node7',
    'gnode[10,20,25,37]': 'gnode10',
    'rack[1-2]n[001-040],login': 'rack1n001',
    'a-b[3-4].example.org,c': 'a-b3.example.org',
    'login,node[1-2]': 'login',
  };
  for (const [list, host] of Object.entries(cases)) t.equal(firstHost(list), host, list);
  t.end();
});

t.test('a list of numbers in brackets begins with its first one, whatever follows', (t) => {
  const name = fc.stringMatching(/^[a-z][a-z.-]{0,8}$/);
  const number = fc.stringMatching(/^\d{1,4}$/);
  const item = fc
    .tuple(number, fc.option(number))
    .map(([from, to]) => (to === null ? from : `${from}-${to}`));
  fc.assert(
    fc.property(name, fc.array(item, { minLength: 1 }), fc.array(name), (prefix, items, others) => {
      const list = [`${prefix}[${items.join(',')}]`, ...others].join(',');
      return firstHost(list) === prefix + items[0].split('-')[0];
    }),
    { seed: 7 },
  );
  t.end();
});

t.test('how many tasks a host has is read from a list of repetitions', (t) => {
  t.equal(tasksOfHost('2', 0), 2);
  t.same(
    [0, 1, 2, 3, 4].map((host) => tasksOfHost('4(x2),3,1', host)),
    [4, 4, 3, 1, null],
  );
  for (const list of ['', 'x', '2(x', '2(x2', '-1', '2,,']) t.equal(tasksOfHost(list, 5), null, list);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 20 }), (tasks) =>
      tasks.every((count, host) => tasksOfHost(tasks.join(','), host) === count),
    ),
    { seed: 7 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 99 }), (tasks, times) => {
      const list = `${tasks}(x${times})`;
      return tasksOfHost(list, times - 1) === tasks && tasksOfHost(list, times) === null;
    }),
    { seed: 7 },
  );
  t.end();
});
