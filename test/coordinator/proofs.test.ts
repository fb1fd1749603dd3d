import t from 'tap';
import type { Member } from '../../coordinator/member.ts';
import { Proofs } from '../../coordinator/proofs.ts';

function start() {
  const told: string[] = [];
  const members = ['ada', 'ben'].map((name) => ({ name, state: 'ready' }) as Member);
  const replica = { committed: 9, updateChecksum: 0xabcn };
  const roster = { outOfStep: ({ name }: Member) => void told.push(`${name} is out of step`) };
  const proofs = new Proofs(replica, roster, (reason) => told.push(reason.split(';')[0]));
  return { told, members, proofs };
}

t.test('what was computed with the same parameters is taken, and what says nothing about them', (t) => {
  const { told, members, proofs } = start();
  proofs.committed(members);
  t.equal(proofs.holds(members[0], { step: 9, proof: 0xabcn }), true);
  t.equal(proofs.holds(members[0], { step: 9 }), true, 'a replica that has just come');
  t.equal(
    proofs.holds(members[0], { step: 8, proof: 1n }),
    true,
    'of an old step, which is compared bit for bit',
  );
  t.same(told, []);
  t.end();
});

t.test('who has other parameters and did nothing yet gets new ones', (t) => {
  const { told, members, proofs } = start();
  proofs.committed([members[1]]);
  t.equal(proofs.holds(members[0], { step: 9, proof: 0xabdn }), false);
  t.same(told, ['ada is out of step']);
  t.end();
});

t.test('who has other parameters and is in the last step makes it doubtful', (t) => {
  const { told, members, proofs } = start();
  proofs.committed(members);
  t.equal(proofs.holds(members[1], { step: 9, proof: 0xabdn }), false);
  t.same(told, [
    'ben is out of step',
    'worker ben: after step 9 its parameters have the checksum 0000000000000abd, expected 0000000000000abc: ' +
      'a bit of its memory changed, or its processor is broken',
  ]);
  t.end();
});
