/** One evaluation among workers that come, go and are late: who is given what, and what is kept. */
import t from 'tap';
import { DistributedEvaluation, type EvaluationHost } from '../../coordinator/distributed-evaluation.ts';
import type { Member } from '../../coordinator/member.ts';
import { evaluationShard } from '../../shared/model/memory-plan.ts';
import { type FakeMember, readyMember } from '../helpers/members.ts';

/** Shards of the test set, the last of which holds one sample. */
const shardCount = 8;
const samples = (shardCount - 1) * evaluationShard + 1;

function newEvaluation(workers: readonly FakeMember[], speeds: readonly number[] = []) {
  const kept: string[] = [];
  const told: string[] = [];
  const late: string[][] = [];
  const tell = (what: string) => (member: Member, why: string) => {
    told.push(`${what} ${member.name}: ${why}`);
  };
  const host: EvaluationHost = {
    ready: () =>
      workers
        .map(({ member }, i) => ({ member, speed: speeds[i] ?? 1 }))
        .filter(({ member }) => member.state === 'ready'),
    isTrue: () => false,
    keep: ({ from, to }, losses, predictions) =>
      kept.push(`${from}-${to}: ${losses.join()}, ${predictions.length} labels`),
    finished: () => told.push('finished'),
    late: (members) => {
      late.push(members.map(({ member }) => member.name));
      for (const { member } of members) member.state = 'late';
      for (const { member } of members) evaluation.lose(member);
    },
    violated: tell('violated'),
    dropped: tell('dropped'),
  };
  const evaluation: DistributedEvaluation = new DistributedEvaluation(9, samples, host);
  return { evaluation, kept, told, late };
}

/** Ranges that a worker was asked for, `from-to`. */
function asked({ link }: FakeMember): string[] {
  return link.messages.flatMap((message) =>
    message.type === 'evaluate' ? [`${message.from}-${message.to}`] : [],
  );
}

/** It answers with the shard's number as the loss of each shard. */
function answer(
  evaluation: DistributedEvaluation,
  { member }: FakeMember,
  from: number,
  to: number,
  losses = Array.from({ length: to - from }, (_, i) => from + i),
  labels = Math.min(to * evaluationShard, samples) - from * evaluationShard,
): void {
  const payload = new Uint8Array(4 * losses.length + labels);
  payload.set(new Uint8Array(Float32Array.from(losses).buffer));
  const header = { type: 'evaluation', run: 7, step: 9, exchange: 0, panel: 0, microseconds: 1 } as const;
  evaluation.evaluation(member, { ...header, lo: from, hi: to, payload });
}

t.test('shards are shared out by speed, and what comes back is kept', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { evaluation, kept, told } = newEvaluation([a, b], [3, 1]);
  evaluation.begin();
  t.same([asked(a), asked(b)], [['0-6'], ['6-8']]);
  t.match(a.link.messages[0], { step: 9 });
  answer(evaluation, b, 6, 8);
  t.same(told, []);
  answer(evaluation, a, 0, 6);
  t.same(kept, ['6-8: 6,7, 129 labels', '0-6: 0,1,2,3,4,5, 768 labels']);
  t.same(told, ['finished']);
  t.end();
});

t.test('what a dead member had goes to the others, or waits for who comes next', (t) => {
  const workers = [readyMember(1), readyMember(2)];
  const [a, b] = workers;
  const { evaluation, told } = newEvaluation(workers);
  evaluation.begin();
  a.member.state = 'gone';
  evaluation.lose(a.member);
  t.same(asked(b), ['4-8', '0-4']);
  b.member.state = 'gone';
  evaluation.lose(b.member);
  const c = readyMember(3);
  workers.push(c);
  evaluation.adoptOrphans();
  t.same(asked(c), ['4-8', '0-4']);
  answer(evaluation, c, 0, 4);
  answer(evaluation, c, 4, 8);
  t.same(told, ['finished']);
  t.end();
});

t.test('at the deadline who owes something is late as soon as another waits', (t) => {
  const [a, b] = [readyMember(1), readyMember(2)];
  const { evaluation, late } = newEvaluation([a, b]);
  evaluation.begin();
  evaluation.expire();
  t.same(late, [], 'while all compute, nobody waits');
  answer(evaluation, b, 4, 8);
  evaluation.expire();
  t.same(late, [['worker 1']]);
  t.same(asked(b), ['4-8', '0-4']);
  t.end();
});

t.test('all who are late are so at once: what one owes does not go to the next of them', (t) => {
  const workers = [1, 2, 3, 4].map(readyMember);
  const [a, b, c, d] = workers;
  const { evaluation, late } = newEvaluation(workers);
  evaluation.begin();
  answer(evaluation, c, 4, 6);
  answer(evaluation, d, 6, 8);
  evaluation.expire();
  t.same(late, [['worker 1', 'worker 2']]);
  t.same([asked(a), asked(b)], [['0-2'], ['2-4']], 'they are given nothing more');
  t.same(
    [asked(c), asked(d)],
    [
      ['4-6', '0-1', '2-3'],
      ['6-8', '1-2', '3-4'],
    ],
  );
  t.end();
});

t.test('who was given what a dead one had is not late at the next deadline, but at the one after it', (t) => {
  const workers = [1, 2, 3].map(readyMember);
  const [a, b, c] = workers;
  const { evaluation, late } = newEvaluation(workers, [2, 1, 1]);
  evaluation.begin();
  answer(evaluation, b, 4, 6);
  answer(evaluation, c, 6, 8);
  a.member.state = 'gone';
  evaluation.lose(a.member);
  t.same([asked(b).at(-1), asked(c).at(-1)], ['0-2', '2-4']);
  answer(evaluation, c, 2, 4);
  evaluation.expire();
  t.same(late, [], 'it has just been given them');
  evaluation.expire();
  t.same(late, [['worker 2']]);
  t.end();
});

t.test(
  'what is not asked for is dropped; what is too long or not a number costs its sender the place',
  (t) => {
    const [a, b] = [readyMember(1), readyMember(2)];
    const { evaluation, kept, told } = newEvaluation([a, b]);
    evaluation.begin();
    answer(evaluation, a, 4, 8);
    answer(evaluation, a, 0, 4, [0, 1, 2, 3], 1);
    answer(evaluation, a, 0, 4, [0, Number.NaN, 2, 3]);
    t.same(told, [
      'dropped worker 1: the evaluation of shards 4–7, which is not its own',
      'violated worker 1: the evaluation of shards 0–3 in 17 bytes, expected 528',
      'violated worker 1: the evaluation of shards 0–3 with NaN or infinity where there is none',
    ]);
    t.same(kept, []);
    t.end();
  },
);
