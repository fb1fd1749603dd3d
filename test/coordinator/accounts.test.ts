import t from 'tap';
import { Accounts, mostAccounts } from '../../coordinator/accounts.ts';
import { Traffic } from '../../shared/wire/traffic.ts';
import { readyMember } from '../helpers/members.ts';

/** A member over a connection that counts. */
function counted(i: number) {
  const { member, link } = readyMember(i);
  const traffic = new Traffic();
  Object.assign(link, { traffic });
  return { member, traffic };
}

t.test('an account outlasts connections, and what goes over them adds up', (t) => {
  const accounts = new Accounts(() => t.fail('nobody is forgotten'));
  const first = counted(1);
  first.traffic.countSent('replica', [100], false);
  t.same(accounts.all(), [], 'there is none before the worker takes part');
  accounts.open(first.member);
  first.member.totals = 3;
  accounts.credit(first.member, { shards: 8, gradients: 2, seconds: 0.5 });
  t.match(accounts.all(), [{ name: 'worker 1', threads: 1, shards: 8, gradients: 2, steps: 3 }]);
  accounts.close(first.member);
  accounts.close(first.member);
  const again = counted(1);
  again.traffic.countSent('replica', [100], false);
  accounts.open(again.member);
  again.member.totals = 4;
  accounts.close(first.member); // which is not the one that takes part
  const [account] = accounts.all();
  t.match(account, { shards: 8, seconds: 0.5, steps: 7 });
  t.equal(account.traffic?.sent.replica, 2 * 102, 'also of the time before it took part');
  t.equal(accounts.all()[0].traffic?.sent.replica, 2 * 102, 'however often it is asked for');
  t.end();
});

t.test('who never took part has none', (t) => {
  const accounts = new Accounts(() => {});
  const { member } = counted(1);
  accounts.close(member);
  t.same(accounts.all(), []);
  t.throws(() => accounts.credit(member, { shards: 1, gradients: 1, seconds: 1 }), /has no account/);
  t.end();
});

t.test(`beyond ${mostAccounts} those that went first are put together, and nothing is lost`, (t) => {
  const forgotten: string[] = [];
  const accounts = new Accounts((workerId) => forgotten.push(workerId));
  const staying = counted(0);
  accounts.open(staying.member);
  const work = { shards: 2, gradients: 1, seconds: 0.25 };
  for (let i = 1; i < mostAccounts + 10; i++) {
    const { member, traffic } = counted(i);
    accounts.open(member);
    member.totals = 1;
    traffic.countReceived('partial', [10], false);
    accounts.credit(member, work);
    accounts.close(member);
    if (i === 1) accounts.credit(member, work); // what came of it is counted when its step is committed
  }
  const all = accounts.all();
  t.equal(all.length, mostAccounts + 1);
  t.same(
    all.slice(0, 3).map(({ name }) => name),
    ['earlier workers', 'worker 0', 'worker 11'],
    'who is here is not forgotten',
  );
  t.match(all[0], { threads: 1, shards: 22, gradients: 11, seconds: 2.75, steps: 10 });
  t.equal(all[0].traffic?.received.partial, 10 * 12);
  t.same(
    forgotten,
    Array.from({ length: 10 }, (_, i) => counted(i + 1).member.hello?.workerId),
  );
  const shards = all.reduce((sum, account) => sum + account.shards, 0);
  t.equal(shards, 2 * (mostAccounts + 10));
  t.end();
});
