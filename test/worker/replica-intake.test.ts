import t from 'tap';
import type { Frame } from '../../shared/wire/frame.ts';
import { ReplicaIntake } from '../../worker/replica-intake.ts';

const panels = 3;

/** A place for replicas of three pieces, and what was written there: `step/panel`. */
function newIntake() {
  const written: string[] = [];
  const intake = new ReplicaIntake({
    replicaChunk: (step, panel, bytes) => {
      if (bytes.length !== 1) return null;
      written.push(`${step}/${panel}`);
      return panel === panels - 1;
    },
  });
  const take = (number: number, step: number, panel: number, bytes = 1) => {
    const header = { type: 'replica', run: 1, exchange: 0, hi: 0, microseconds: 0 } as const;
    const frame: Frame = { ...header, lo: number, step, panel, payload: new Uint8Array(bytes) };
    return intake.take(frame);
  };
  return { intake, take, written };
}

t.test('the first replica is used as soon as it is whole, once', (t) => {
  const { intake, take, written } = newIntake();
  t.same([take(0, 5, 0), take(0, 5, 1)], ['part', 'part']);
  t.equal(intake.use(), null);
  t.equal(take(0, 5, 2), 'whole');
  t.equal(intake.isWaiting, true);
  t.equal(intake.use(), 5);
  t.equal(intake.isWaiting, false);
  t.equal(intake.use(), null);
  t.same(written, ['5/0', '5/1', '5/2']);
  t.end();
});

t.test('pieces that come twice, out of order or in another size are not wanted', (t) => {
  const { take, written } = newIntake();
  t.equal(take(0, 5, 1), 'unwanted');
  t.equal(take(0, 5, 0, 2), 'unwanted');
  t.equal(take(0, 5, 0), 'part');
  t.equal(take(0, 5, 0), 'unwanted');
  t.equal(take(0, 5, 2), 'unwanted');
  t.equal(take(0, 5, 1), 'part');
  t.same(written, ['5/0', '5/1']);
  t.end();
});

t.test('a new one takes the place of one that is not whole, and an old one never of a new one', (t) => {
  const { intake, take } = newIntake();
  take(0, 5, 0);
  intake.announce();
  t.equal(take(1, 9, 0), 'part');
  t.equal(take(0, 5, 1), 'unwanted');
  t.same([take(1, 9, 1), take(1, 9, 2)], ['part', 'whole']);
  t.equal(intake.use(), 9);
  t.end();
});

t.test('one that overtakes its announcement waits for it', (t) => {
  const { intake, take } = newIntake();
  for (const panel of [0, 1, 2]) take(0, 5, panel);
  t.equal(intake.use(), 5);
  for (const panel of [0, 1, 2]) take(1, 9, panel);
  t.equal(intake.use(), null);
  t.equal(intake.isWaiting, true);
  intake.announce();
  t.equal(intake.use(), 9);
  t.end();
});
