/** One step among workers that come, go and are late: who is given what, and what the total is. */
import t from 'tap';
import { areFinite } from '../../coordinator/bits.ts';
import { DistributedStep, type StepHost } from '../../coordinator/distributed-step.ts';
import type { Member } from '../../coordinator/member.ts';
import { Reduction } from '../../coordinator/reduction.ts';
import type { TreeNode } from '../../shared/reduction/tree.ts';
import { mostNodes } from '../../shared/wire/limits.ts';
import { type FakeMember, readyMember } from '../helpers/members.ts';

const layout = { floats: 1, moments: [] };

/** A step of two exchanges over so many shards; the partial of a node is the sum of its shards' numbers. */
function newStep(shardCount: number, workers: readonly FakeMember[]) {
  const totals: number[] = [];
  const told: string[] = [];
  const late: string[][] = [];
  const tell = (what: string) => (member: Member, why: string) => {
    told.push(`${what} ${member.name}: ${why}`);
  };
  const host: StepHost = {
    ready: () =>
      workers.filter(({ member }) => member.state === 'ready').map(({ member }) => ({ member, speed: 1 })),
    newReduction: () =>
      new Reduction(shardCount, ([left], [right]) => {
        const values = Float32Array.of(left + right);
        return { values, isFinite: areFinite(values) };
      }),
    isGood: (_, total) => areFinite(total),
    broadcast: (_, [total]) => totals.push(total),
    finished: () => told.push('finished'),
    // As the roster does it: all of them first, then what they had.
    late: (members) => {
      late.push(members.map(({ member, what }) => `${member.name}: ${what}`));
      for (const { member } of members) member.state = 'late';
      for (const { member } of members) step.lose(member);
    },
    violated: tell('violated'),
    conflict: tell('conflict'),
    dropped: tell('dropped'),
  };
  const step: DistributedStep = new DistributedStep(6, [layout, layout], host);
  return { step, totals, told, late };
}

const sumOf = ({ lo, hi }: TreeNode) => ((hi - lo) * (lo + hi - 1)) / 2;

/** Nodes that a worker was asked for, `lo-hi`, in the order in which it was. */
function asked({ link }: FakeMember): string[] {
  return link.messages.flatMap((message) =>
    message.type === 'assign' ? message.nodes.map(([lo, hi]) => `${lo}-${hi}`) : [],
  );
}

/** It answers with partials of some nodes. */
function answer(step: DistributedStep, { member }: FakeMember, exchange: number, ...nodes: TreeNode[]): void {
  for (const node of nodes) {
    const payload = new Uint8Array(Float32Array.of(sumOf(node)).buffer);
    const header = { type: 'partial', run: 7, step: 6, exchange, panel: 0, microseconds: 500_000 } as const;
    step.partial(member, { ...header, ...node, payload });
  }
}

const node = (lo: number, hi: number): TreeNode => ({ lo, hi });

t.test('exchange by exchange the totals go out, and each shard is one member’s work', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { step, totals, told } = newStep(8, [a, b]);
  step.give(a.member, [node(0, 4)]);
  step.give(b.member, [node(4, 8)]);
  answer(step, a, 0, node(0, 4));
  t.same(totals, []);
  answer(step, b, 0, node(4, 8));
  t.same([totals, step.exchange], [[28], 1]);
  answer(step, b, 1, node(4, 8));
  answer(step, a, 1, node(0, 4));
  t.same([totals, told], [[28, 28], ['finished']]);
  t.match(step.shares.get(a.member), { shards: 4, gradients: 1, seconds: 1 });
  t.match(step.shares.get(b.member), { shards: 4, gradients: 1, seconds: 1 });
  t.equal(step.shardsRecomputed, 0);
  t.end();
});

t.test('more nodes than a message holds go in several', (t) => {
  const a = readyMember(1);
  const { step } = newStep(2 * mostNodes + 1, [a]);
  step.give(
    a.member,
    Array.from({ length: 2 * mostNodes + 1 }, (_, i) => node(i, i + 1)),
  );
  t.same(
    a.link.messages.map((message) => message.type === 'assign' && message.nodes.length),
    [mostNodes, mostNodes, 1],
  );
  t.equal(new Set(asked(a)).size, 2 * mostNodes + 1);
  t.end();
});

t.test('what a dead member had goes to the others, from the first exchange on', (t) => {
  const workers = [readyMember(1), readyMember(2), readyMember(3)];
  const [a, b, c] = workers;
  const { step, totals } = newStep(8, workers);
  step.give(a.member, [node(0, 4)]);
  step.give(b.member, [node(4, 6)]);
  step.give(c.member, [node(6, 8)]);
  answer(step, a, 0, node(0, 4));
  a.member.state = 'gone';
  step.lose(a.member);
  t.same(
    [asked(b), asked(c)],
    [
      ['4-6', '0-2'],
      ['6-8', '2-4'],
    ],
  );
  t.equal(step.shardsRecomputed, 4);
  // Its partial of this exchange stays good, and those who compute the rest of it do so for the next.
  answer(step, b, 0, node(4, 6));
  answer(step, c, 0, node(6, 8));
  t.same(totals, [28]);
  answer(step, b, 1, node(4, 6), node(0, 2));
  answer(step, c, 1, node(6, 8), node(2, 4));
  t.same(totals, [28, 28]);
  t.end();
});

t.test('in the last exchange nothing that is here is computed again', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { step, totals } = newStep(4, [a, b]);
  step.give(a.member, [node(0, 2), node(2, 3)]);
  step.give(b.member, [node(3, 4)]);
  for (const exchange of [0, 1]) {
    answer(step, b, exchange, node(3, 4));
    answer(step, a, exchange, node(0, 2));
    if (exchange === 0) answer(step, a, exchange, node(2, 3));
  }
  a.member.state = 'gone';
  step.lose(a.member);
  t.same(asked(b), ['3-4', '2-3']);
  t.equal(step.shardsRecomputed, 1);
  answer(step, b, 1, node(2, 3));
  t.same(totals, [6, 6]);
  t.end();
});

t.test('where nobody is left, nodes wait for who comes next', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  b.member.state = 'syncing';
  const { step, totals } = newStep(4, [a, b]);
  step.give(a.member, [node(0, 4)]);
  a.member.state = 'gone';
  step.lose(a.member);
  b.member.state = 'ready';
  step.adoptOrphans();
  t.same(asked(b), ['0-4']);
  for (const exchange of [0, 1]) answer(step, b, exchange, node(0, 4));
  t.same(totals, [6, 6]);
  t.end();
});

t.test('at the deadline nobody is late while all compute, and who owes is once another waits', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { step, late } = newStep(8, [a, b]);
  step.give(a.member, [node(0, 4)]);
  step.give(b.member, [node(4, 8)]);
  step.expire();
  t.same(late, []);
  answer(step, b, 0, node(4, 8));
  step.expire();
  t.same(late, [['worker 1: shards 0–3']]);
  t.same(asked(b), ['4-8', '0-4']);
  t.end();
});

t.test('all who are late are so at once: what one owes does not go to the next of them', (t) => {
  const workers = [1, 2, 3].map(readyMember);
  const [a, b, c] = workers;
  const { step, late } = newStep(8, workers);
  step.give(a.member, [node(0, 2)]);
  step.give(b.member, [node(2, 4)]);
  step.give(c.member, [node(4, 8)]);
  answer(step, c, 0, node(4, 8));
  step.expire();
  t.same(late, [['worker 1: shards 0–1', 'worker 2: shards 2–3']]);
  t.same([asked(a), asked(b)], [['0-2'], ['2-4']], 'they are given nothing more');
  t.same(asked(c), ['4-8', '0-2', '2-4']);
  t.equal(step.shardsRecomputed, 4);
  t.end();
});

t.test('who was given what another had has time until the deadline after the next', (t) => {
  const workers = [1, 2, 3].map(readyMember);
  const [a, b, c] = workers;
  const { step, late } = newStep(8, workers);
  step.give(a.member, [node(0, 4)]);
  step.give(b.member, [node(4, 6)]);
  step.give(c.member, [node(6, 8)]);
  answer(step, b, 0, node(4, 6));
  answer(step, c, 0, node(6, 8));
  a.member.state = 'gone';
  step.lose(a.member);
  const [[, first], [, second]] = [asked(b), asked(c)];
  t.same([first, second], ['0-2', '2-4']);
  answer(step, c, 0, node(2, 4));
  step.expire();
  t.same(late, [], 'it has just been given them');
  step.expire();
  t.same(late, [['worker 2: shards 0–1']]);
  t.end();
});

t.test('what is not asked for, too long, or too early is told', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { step, told } = newStep(8, [a, b]);
  step.give(a.member, [node(0, 4)]);
  step.give(b.member, [node(4, 8)]);
  answer(step, a, 0, node(4, 8));
  answer(step, a, 1, node(0, 4));
  const header = { type: 'partial', run: 7, step: 6, exchange: 0, panel: 0, microseconds: 1 } as const;
  step.partial(a.member, { ...header, ...node(0, 4), payload: new Uint8Array(8) });
  answer(step, a, 0, node(0, 4), node(0, 4));
  t.same(told, [
    'violated worker 1: the partial of exchange 0, shards 4–7 of step 7, which is not its own',
    'violated worker 1: the partial of exchange 1, shards 0–3 of step 7, which has not begun',
    'violated worker 1: the partial of exchange 0, shards 0–3 of step 7, 8 bytes, expected 4',
    'dropped worker 1: the partial of exchange 0, shards 0–3 of step 7, which was there (duplicate)',
  ]);
  t.end();
});

t.test('a late member’s other bits are a conflict, also when the step is over', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { step, told, totals } = newStep(4, [a, b]);
  step.give(a.member, [node(0, 2)]);
  step.give(b.member, [node(2, 4)]);
  for (const exchange of [0, 1]) answer(step, b, exchange, node(2, 4));
  answer(step, b, 0, node(2, 4));
  step.expire();
  for (const exchange of [0, 1]) {
    answer(step, b, exchange, node(0, 2));
    answer(step, b, exchange, node(2, 4));
  }
  t.same(totals, [6, 6]);
  const header = { type: 'partial', run: 7, step: 6, exchange: 1, panel: 0, microseconds: 1 } as const;
  const wrong = new Uint8Array(Float32Array.of(2).buffer);
  step.partial(a.member, { ...header, ...node(0, 2), payload: wrong });
  t.match(told.slice(-3), ['finished', /^conflict worker 1: .*shards 0–1 /, /^dropped worker 1: /]);
  t.end();
});
