/** Exchanges of one size among so many ranks, as a side that takes turns with others. */
import type { Reading, Side } from '../bench/interleave.ts';
import { median } from '../bench/interleave.ts';
import { Pace } from '../bench/pace.ts';
import type { RankJob } from '../ranks/rank-job.ts';
import type { ExchangeTime } from './cost-model.ts';
import type { ExchangeAnswer, ExchangeQuestion } from './exchange-rank.ts';

/** Beyond the seconds of a turn. */
const answerMs = 120_000;

export class ExchangeSide implements Pick<Side, 'run'> {
  library = '';
  readonly ranks: number;
  readonly #job: RankJob;
  readonly #floats: number;
  readonly #pace = new Pace();
  /** Seconds of merging in an exchange, by turn. */
  readonly #merging: number[] = [];
  #chunks = 1;

  constructor(job: RankJob, ranks: number, bytes: number) {
    this.#job = job;
    this.ranks = ranks;
    this.#floats = bytes / 4;
  }

  /** Exchanges for about so many seconds; what is counted are exchanges. */
  async run(seconds: number): Promise<Reading> {
    let merging = 0;
    const { steps, ...taken } = await this.#pace.run(seconds, async (count) => {
      const question: ExchangeQuestion = { floats: this.#floats, count };
      const [first] = (await this.#job.ask(question, answerMs + 1000 * seconds)) as ExchangeAnswer[];
      merging += first.mergeSeconds;
      this.#chunks = first.chunks;
      this.library = first.library;
      return { steps: count, seconds: first.seconds };
    });
    this.#merging.push(merging / steps);
    return { samples: steps, seconds: taken.seconds };
  }

  /** @param speeds exchanges a second of the turns that count, the last ones */
  time(speeds: readonly number[]): ExchangeTime {
    return {
      ranks: this.ranks,
      bytes: 4 * this.#floats,
      chunks: this.#chunks,
      seconds: 1 / median(speeds),
      mergeSeconds: median(this.#merging.slice(-speeds.length)),
    };
  }
}
