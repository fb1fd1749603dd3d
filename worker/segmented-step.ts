/**
 * A step that goes from exchange to exchange with workers elsewhere, as one thread of a team takes it. The main thread
 * commands every part, so shards can be added in the middle: they catch up with the totals that are known.
 */
import { exchangePlaceOf, outboxSlots } from '../shared/model/memory-plan.ts';
import type { Exchange } from '../shared/reduction/group.ts';
import type { Span } from '../shared/reduction/span.ts';
import type { TreeNode } from '../shared/reduction/tree.ts';
import { computeStep, exchangesOf, type StepModel } from '../shared/step.ts';
import type { Training } from '../shared/training.ts';
import type { Recorder } from './recorder.ts';

/** Which step it is: its number in the epoch, and the steps committed before it. */
export interface StepNumber {
  readonly step: number;
  readonly committed: number;
}

/** A memory whose partials travel is not planned by columns, so threads divide nothing between exchanges. */
const alone = { together: (action: () => void): void => action() };

/** Some shards of this thread on their way through the step. */
interface Run {
  readonly span: Span;
  readonly exchanges: Generator<Exchange, void, void>;
}

/** The model of a step, as it is or with a clock around it. */
interface Parts {
  readonly model: StepModel;
  readonly exchanges: readonly Exchange[];
}

export class SegmentedStep {
  readonly #training: Training;
  readonly #rank: number;
  readonly #size: number;
  readonly #barrier: () => void;
  readonly #recorder: Recorder;
  readonly #plain: Parts;
  readonly #recorded: Parts;
  #parts: Parts;
  /** Steps committed before the one that was begun. */
  #begun = -1;
  #held: Run[] = [];

  /** @param barrier meets all threads of the team */
  constructor(training: Training, rank: number, size: number, barrier: () => void, recorder: Recorder) {
    this.#training = training;
    this.#rank = rank;
    this.#size = size;
    this.#barrier = barrier;
    this.#recorder = recorder;
    const recorded = recorder.clock.watchModel(training.model);
    this.#plain = { model: training.model, exchanges: training.model.exchanges };
    this.#recorded = { model: recorded, exchanges: exchangesOf(recorded) };
    this.#parts = this.#plain;
  }

  /** Forgets what was held and computes some nodes from the step's start to an exchange. */
  begin(number: StepNumber, exchange: number, nodes: readonly TreeNode[]): void {
    this.#held = [];
    this.#enter(number.committed);
    this.extend(number, exchange, nodes);
  }

  /**
   * Computes more nodes from the step's start to an exchange; the totals before it are in memory. Partials of the
   * exchanges before are computed, too, though nobody asks for them: gradients are made from some of them.
   */
  extend({ step, committed }: StepNumber, exchange: number, nodes: readonly TreeNode[]): void {
    this.#take(() => {
      for (const [first, end] of divideShards(nodes, this.#rank, this.#size)) {
        const span = this.#training.spanOf(step, committed, first, end);
        const exchanges = computeStep(this.#parts.model, span, alone);
        for (let i = 0; i < exchange; i++)
          this.#computePartials(exchanges, span).receive(span, this.#totalAt(i));
        this.#computePartials(exchanges, span);
        this.#held.push({ span, exchanges });
      }
    });
  }

  /** Goes on to an exchange with everything that is held; the total of the one before it is in memory. */
  advance(exchange: number): void {
    this.#take(() => {
      const before = this.#parts.exchanges[exchange - 1];
      for (const { span, exchanges } of this.#held) {
        before.receive(span, this.#totalAt(exchange - 1));
        this.#computePartials(exchanges, span);
      }
    });
  }

  /** Merges the partials of some nodes, once all threads have computed theirs, each node into its slot of the outbox. */
  merge({ step, committed }: StepNumber, exchange: number, nodes: readonly TreeNode[]): void {
    this.#barrier();
    const { exchanges } = this.#parts;
    // Of the gradient each thread merges its slice; vectors of a layer are too small to share.
    if (exchange !== exchanges.length - 1 && this.#rank !== 0) return;
    this.#take(() => {
      const { outbox, slotBytes } = exchangePlaceOf(this.#training.plan);
      const span = this.#training.spanOf(step, committed, 0, 0);
      for (const [slot, { lo, hi }] of nodes.slice(0, outboxSlots).entries()) {
        exchanges[exchange].merge(span, lo, hi, outbox + slot * slotBytes);
      }
    });
  }

  /** Makes the update from the total gradient in memory. */
  apply({ step, committed }: StepNumber): void {
    this.#held = [];
    if (this.#begun !== committed) this.#enter(committed);
    if (!this.#recorder.isOn) {
      this.#training.apply(step, committed);
      return;
    }
    this.#recorder.clock.timed('update', () => this.#training.apply(step, committed));
    this.#recorder.end();
  }

  /** Decides whether a step is recorded. */
  #enter(committed: number): void {
    this.#begun = committed;
    this.#parts = this.#recorder.begin(committed) ? this.#recorded : this.#plain;
  }

  /** Does a part of the step; between two parts it waits for others. */
  #take(part: () => void): void {
    const { isOn, clock } = this.#recorder;
    if (isOn) clock.turnTo('other');
    part();
    if (isOn) clock.turnTo('waiting');
  }

  #computePartials(exchanges: Generator<Exchange, void, void>, span: Span): Exchange {
    const exchange = nextOf(exchanges);
    for (let shard = span.firstShard; shard < span.endShard; shard++) exchange.partial(span, shard);
    return exchange;
  }

  #totalAt(exchange: number): number {
    return totalPlace(this.#training, exchange);
  }
}

/** Byte offset of the total of an exchange. */
export function totalPlace({ model, plan }: Training, exchange: number): number {
  const { totals, totalBytes } = exchangePlaceOf(plan);
  return exchange === model.exchanges.length - 1 ? plan.gradient : totals + exchange * totalBytes;
}

/** The shards of some tree nodes that fall to one of `size` threads, as runs `[first, end]`, each as long as it can be. */
export function divideShards(nodes: readonly TreeNode[], rank: number, size: number): [number, number][] {
  const count = nodes.reduce((sum, { lo, hi }) => sum + hi - lo, 0);
  const begin = Math.floor((count * rank) / size);
  const end = Math.floor((count * (rank + 1)) / size);
  const runs: [number, number][] = [];
  let before = 0;
  for (const { lo, hi } of nodes) {
    const first = lo + Math.max(begin - before, 0);
    const last = lo + Math.min(end - before, hi - lo);
    const run = runs.at(-1);
    if (first < last && run?.[1] === first) run[1] = last;
    else if (first < last) runs.push([first, last]);
    before += hi - lo;
  }
  return runs;
}

function nextOf(exchanges: Generator<Exchange, void, void>): Exchange {
  const next = exchanges.next();
  if (next.done) throw new Error('the step has no more exchanges');
  return next.value;
}
