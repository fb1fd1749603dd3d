import t from 'tap';
import { DataIntake, type DataSink } from '../../worker/data-intake.ts';

/** A data set of so many chunks, and what came of it. */
function sinkOf(chunks: number): DataSink & { readonly came: number[] } {
  const came: number[] = [];
  return {
    came,
    chunk: (panel) => {
      if (panel !== came.length) throw new Error(`chunk ${panel}`);
      came.push(panel);
      return came.length === chunks;
    },
  };
}

const bytes = new Uint8Array(1);

t.test('chunks go to who waits for them until the data is whole; others are not wanted', async (t) => {
  const intake = new DataIntake();
  t.equal(intake.take(0, bytes), false, 'nobody has asked');
  const sink = sinkOf(3);
  const received = intake.receive(sink);
  t.same(
    [0, 1, 1, 0, 2].map((panel) => intake.take(panel, bytes)),
    [true, true, false, false, true],
  );
  await received;
  t.equal(intake.take(3, bytes), false, 'it is whole');
  t.same(sink.came, [0, 1, 2]);
});

t.test('a chunk that does not fit ends the wait with what is wrong, and no other is taken', async (t) => {
  const intake = new DataIntake();
  const received = intake.receive(sinkOf(3));
  t.equal(intake.take(1, bytes), true);
  await t.rejects(received, { message: 'chunk 1' });
  t.equal(intake.take(2, bytes), false);
});

t.test('when nothing comes any more, who waits is told, and who begins to', async (t) => {
  const intake = new DataIntake();
  const received = intake.receive(sinkOf(3));
  intake.take(0, bytes);
  intake.cancel('the connection was lost');
  intake.cancel('and again');
  await t.rejects(received, { message: 'the connection was lost' });
  await t.rejects(intake.receive(sinkOf(3)), { message: 'the connection was lost' });
  t.equal(intake.take(1, bytes), false);
});
