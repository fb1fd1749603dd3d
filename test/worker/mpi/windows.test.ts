/** Windows of ranks: all see the same, or nobody sees anything and all keep what they have. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { newMemory } from '../../../shared/model/memory-plan.ts';
import { type RankPlace, rankPlaceOf, windowsOf } from '../../../shared/model/rank-plan.ts';
import { planSetup, type Setup } from '../../../shared/training.ts';
import { openWindows } from '../../../worker/mpi/windows.ts';
import { fakeWorlds } from '../../helpers/fake-worlds.ts';

const isLinux = process.platform === 'linux';

/** Two ranks, each with a memory in which it has written its number. */
function newRanks() {
  return [0, 1].map((rank) => {
    const setup: Setup = {
      ...{ input: [1, 4, 4], classes: 3, model: 'dense(20) relu dense(3)', batchNorm: 'sync' },
      optimizer: 'sgd(lr=0.1)',
      sizes: {
        ...{ samples: { train: 8, test: 8 }, epochSamples: 8, batchSize: 8, shardSize: 2, threads: 1 },
        ranks: { rank, count: 2 },
      },
    };
    const { plan } = planSetup(setup);
    const memory = newMemory(plan);
    new Uint8Array(memory.buffer).fill(rank + 1);
    return { memory, plan, place: rankPlaceOf(plan) };
  });
}

interface Case {
  readonly isWanted?: readonly boolean[];
  /** What a rank says instead. */
  readonly change?: (bytes: Uint8Array, rank: number, what: string) => Uint8Array;
  readonly placeOf?: (place: RankPlace) => RankPlace;
}

async function open({ isWanted = [true, true], change, placeOf = (place) => place }: Case) {
  const ranks = newRanks();
  const worlds = fakeWorlds(2, change === undefined ? {} : { change });
  const before = readdirSync('/proc/self/fd').length;
  const areOpen = await Promise.all(
    ranks.map(({ memory, place }, rank) =>
      openWindows(worlds[rank], memory, placeOf(place), isWanted[rank], 1_000),
    ),
  );
  const left = readdirSync('/proc/self/fd').length - before;
  const byteOf = (rank: number, at: number) => new Uint8Array(ranks[rank].memory.buffer)[at];
  return { ranks, areOpen, left, byteOf };
}

t.test(
  'ranks see what others write into their windows, and have one replica',
  { skip: !isLinux },
  async (t) => {
    const { ranks, areOpen, left, byteOf } = await open({});
    t.same(areOpen, [true, true]);
    t.equal(left, 0, 'no file is left open');
    for (const [rank, { memory, plan, place }] of ranks.entries()) {
      const other = 1 - rank;
      const bytes = new Uint8Array(memory.buffer);
      t.equal(bytes[plan.replicas[0].flat + 1], 1, 'the replica is that of rank 0');
      t.equal(bytes[plan.replicas[1].state], 1);
      t.equal(bytes[place.signals], 0, 'nobody has signalled');
      t.equal(bytes[plan.activations[0].offset], rank + 1, 'what is behind them is its own');
      t.equal(bytes[plan.control], rank + 1, 'and before');
      bytes[place.vectors] = 40 + rank;
      const seen = windowsOf(ranks[other].place)[rank] + (place.vectors - place.window);
      t.equal(byteOf(other, seen), 40 + rank);
      bytes[plan.replicas[0].flat] = 70 + rank;
      t.equal(byteOf(other, ranks[other].plan.replicas[0].flat), 70 + rank);
    }
  },
);

const shut: Record<string, Case> = {
  'one of them does not want to': { isWanted: [true, false] },
  'the first does not want to': { isWanted: [false, true] },
  'there is no room for all': { placeOf: (place) => ({ ...place, windows: null }) },
  'the other is on another machine, where another process has that number': {
    change: (bytes, rank, what) =>
      rank === 0 && what === 'where the windows are'
        ? Buffer.from(Buffer.from(bytes).toString().replace('lockstep-', 'something-'))
        : bytes,
  },
  'what is told is no place': {
    change: (bytes, rank, what) =>
      rank === 0 && what === 'where the windows are' ? Buffer.from('{"pid":"1"}') : bytes,
  },
};

for (const [why, one] of Object.entries(shut)) {
  t.test(`all keep their memory where ${why}`, { skip: !isLinux }, async (t) => {
    const { ranks, areOpen, left, byteOf } = await open(one);
    t.same(areOpen, [false, false]);
    t.equal(left, 0, 'no file is left open');
    for (const [rank, { plan, place }] of ranks.entries()) {
      t.equal(byteOf(rank, plan.replicas[0].flat), rank + 1);
      t.equal(byteOf(rank, place.vectors), rank + 1);
    }
  });
}
