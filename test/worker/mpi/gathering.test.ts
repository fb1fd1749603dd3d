/** Gathers of ranks in one process, over a post that keeps what was sent. */
import t from 'tap';
import { Gathering } from '../../../worker/mpi/gathering.ts';
import { type Mail, Pending } from '../../../worker/mpi/mail.ts';
import { rejection } from '../../helpers/rejection.ts';

/** Delivers in order between each two ranks, by tag; what all gather is there when all have come. */
class PostOffice {
  readonly #sent = new Map<string, Uint8Array[]>();
  readonly #gathers: { count: number; readonly all: Uint8Array[] }[] = [];
  /** Ranks whose messages are lost. */
  readonly mute = new Set<number>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  of(rank: number): Pick<Mail, 'send' | 'receive' | 'allGather' | 'isDone'> {
    const expected = new Map<Pending, () => boolean>();
    let gathered = 0;
    const box = (from: number, to: number, tag: number) => {
      const key = `${from}>${to}:${tag}`;
      const letters = this.#sent.get(key) ?? [];
      this.#sent.set(key, letters);
      return letters;
    };
    const post = (isDone: () => boolean) => {
      const pending = new Pending([]);
      expected.set(pending, isDone);
      return pending;
    };
    return {
      send: (bytes, to, tag) => {
        if (!this.mute.has(rank)) box(rank, to, tag).push(bytes.slice());
        return post(() => true);
      },
      receive: (bytes, from, tag) =>
        post(() => {
          const letter = box(from, rank, tag).shift();
          if (letter !== undefined) bytes.set(letter);
          return letter !== undefined;
        }),
      allGather: (bytes, counts) => {
        const at = gathered++;
        this.#gathers[at] ??= { count: 0, all: [] };
        const gather = this.#gathers[at];
        const placeOf = (of: number) => counts.slice(0, of).reduce((sum, count) => sum + count, 0);
        gather.all[rank] = bytes.slice(placeOf(rank), placeOf(rank) + counts[rank]);
        gather.count += this.mute.has(rank) ? 0 : 1;
        return post(() => {
          if (gather.count < this.#size) return false;
          gather.all.forEach((part, of) => {
            bytes.set(part, placeOf(of));
          });
          return true;
        });
      },
      isDone: (pending) => {
        pending.isDone ||= expected.get(pending)?.() ?? false;
        return pending.isDone;
      },
    };
  }
}

function start(size: number) {
  const office = new PostOffice(size);
  const ranks = Array.from({ length: size }, (_, rank) => new Gathering(office.of(rank), rank, size));
  return { office, ranks };
}

t.test('each gets what everybody has, in the order of ranks, however often', async (t) => {
  const { ranks } = start(3);
  for (const texts of [
    ['a', 'bcd', ''],
    ['', '', ''],
    ['', 'x', 'yz'],
  ]) {
    const all = await Promise.all(
      ranks.map((one, i) => one.allGather(Buffer.from(texts[i]), 'texts', 20_000)),
    );
    for (const parts of all)
      t.same(
        parts.map((part) => Buffer.from(part).toString()),
        texts,
      );
  }
  const [alone] = start(1).ranks;
  t.same(await alone.allGather(Uint8Array.of(1, 2), 'what one has', 1_000), [Uint8Array.of(1, 2)]);
});

t.test('what was given is not touched, and what comes is nobody else’s', async (t) => {
  const { ranks } = start(2);
  const given = [Uint8Array.of(1), Uint8Array.of(2)];
  const all = await Promise.all(ranks.map((one, i) => one.allGather(given[i], 'bytes', 20_000)));
  all[0][0][0] = 9;
  t.same(given, [Uint8Array.of(1), Uint8Array.of(2)]);
  t.same(all[1], given);
});

t.test('ranks that do not come are named', async (t) => {
  const { ranks } = start(5);
  const come = [0, 2].map((rank) =>
    rejection(ranks[rank].allGather(new Uint8Array(1), 'the losses', 50), 'MPI'),
  );
  t.same(await Promise.all(come), [
    'the losses was not complete on rank 0 of 5 within 50 ms: ranks 1, 3 and 4 did not come; see what they say',
    'the losses was not complete on rank 2 of 5 within 50 ms: ranks 1, 3 and 4 did not come; see what they say',
  ]);
});

t.test('a rank that waits for another elsewhere is not taken for the one who is missing', async (t) => {
  const { ranks } = start(3);
  const [line, silent] = await Promise.all([
    rejection(ranks[1].allGather(new Uint8Array(1), 'the evaluation', 50), 'MPI'),
    ranks[0].silentRanks(300), // it waits for rank 2 in the step before
  ]);
  t.match(line, 'within 50 ms: rank 2 did not come; see what they say');
  t.same(silent, [2]);
});

t.test('where all answer, those who did not come are named', async (t) => {
  const { ranks } = start(3);
  const [line] = await Promise.all([
    rejection(ranks[1].allGather(new Uint8Array(1), 'the evaluation', 50), 'MPI'),
    ranks[0].silentRanks(300),
    ranks[2].silentRanks(300),
  ]);
  t.match(line, 'within 50 ms: ranks 0 and 2 did not come; see what they say');
});

t.test('ranks on different ways are not taken for each other', async (t) => {
  const { ranks } = start(2);
  const [here, there] = await Promise.all([
    rejection(ranks[0].allGather(new Uint8Array(1), 'the losses', 20_000), 'MPI'),
    rejection(ranks[1].allGather(new Uint8Array(1), 'the checkpoint', 20_000), 'MPI'),
  ]);
  t.match(
    here,
    /^rank 1 came to gather 0 with something else than the losses, for which rank 0 is at gather 0;/,
  );
  t.match(there, /^rank 0 came to gather 0 with something else than the checkpoint/);
});

t.test('a gather that stops in the middle names who has fallen silent', async (t) => {
  const { office, ranks } = start(3);
  const gathers = ranks.map((one) => rejection(one.allGather(new Uint8Array(4), 'the losses', 100), 'MPI'));
  office.mute.add(2); // its length is on the way already
  const lines = await Promise.all(gathers);
  t.match(lines[0], 'the losses was not complete on rank 0 of 3 within 100 ms: rank 2 did not come');
  t.match(lines[1], 'rank 2 did not come');
});

t.test('silence is asked for as often as one likes, and whoever speaks again is heard', async (t) => {
  const { office, ranks } = start(3);
  office.mute.add(1);
  const ask = () => Promise.all([0, 1, 2].map((rank) => ranks[rank].silentRanks(100)));
  t.same(await ask(), [[1], [], [1]]);
  t.same(await ask(), [[1], [], [1]]);
  office.mute.delete(1);
  t.same(await ask(), [[], [], []]);
});

t.test('more than MPI can count is refused before anything is allocated', async (t) => {
  const { ranks } = start(2);
  const huge = Object.defineProperty(new Uint8Array(1), 'length', { value: 2 ** 30 });
  const lines = await Promise.all([
    rejection(ranks[0].allGather(huge, 'a library', 20_000), 'MPI'),
    rejection(ranks[1].allGather(new Uint8Array(1), 'a library', 20_000), 'MPI'),
  ]);
  t.match(lines[1], 'a library: 1073741825 bytes of all ranks, expected at most 1073741824');
});
