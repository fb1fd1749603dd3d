/** A rank that exchanges gradients of any size, as many times as it is asked. */
import { loadKernels } from '../../shared/kernels/load.ts';
import { openWorld } from '../../worker/mpi/world.ts';
import { leaveTogether } from '../ranks/leave-together.ts';
import { serveRank } from '../ranks/rank-end.ts';
import { RankExchange, type Times } from './rank-exchange.ts';

export interface ExchangeTask {
  /** Cores for all ranks. */
  readonly cores: number;
}

export interface ExchangeQuestion {
  readonly floats: number;
  readonly count: number;
}

export interface ExchangeAnswer extends Times {
  readonly chunks: number;
  /** `Open MPI 4.1.4` */
  readonly library: string;
}

const startMs = 30_000;
const exchangeMs = 60_000;

serveRank(async (task) => {
  const { cores } = task as ExchangeTask;
  const kernels = loadKernels('auto');
  const world = await openWorld({ file: null, deadlineMs: startMs, launch: null });
  const { rank, size: count, file, library } = world;
  let exchange: { readonly floats: number; readonly it: RankExchange } | null = null;
  const exchangeOf = (floats: number) => {
    if (exchange?.floats === floats) return exchange.it;
    const spins = count <= cores;
    const it = new RankExchange({
      file,
      ranks: { rank, count },
      kernels,
      floats,
      spins,
      deadlineMs: exchangeMs,
    });
    it.check();
    exchange = { floats, it };
    return it;
  };
  return {
    rank,
    answer: async (question): Promise<ExchangeAnswer> => {
      const { floats, count: times } = question as ExchangeQuestion;
      const it = exchangeOf(floats);
      const taken = it.run(times);
      await leaveTogether(world);
      return { ...taken, chunks: it.chunks, library };
    },
    close: () => world.finalize(),
  };
});
