/** A run as it can be seen at any moment, from what the coordinator knows. */
import type { Ledger } from './ledger.ts';
import type { Activity, LiveRun, RunAccount, WorkerNow } from './live-run.ts';
import type { Run } from './prepare.ts';
import type { Position } from './reports.ts';
import type { Team } from './team.ts';

/** Attempts to copy the replica before a step is committed over it. */
const mostCopies = 8;

export class LiveView implements LiveRun {
  readonly run: Run;
  isEvaluating = false;
  isOver = false;
  /** When the epoch that is being trained began here; null before the first. */
  epochStartMs: number | null = null;
  readonly #team: Team;
  readonly #ledger: Ledger;

  constructor(run: Run, team: Team, ledger: Ledger) {
    this.run = run;
    this.#team = team;
    this.#ledger = ledger;
  }

  activity(): Activity {
    if (this.isOver) return 'over';
    if (this.#team.isWaiting) return 'waiting';
    return this.isEvaluating ? 'evaluating' : 'training';
  }

  position(): Position {
    const startMs = this.epochStartMs;
    const { first, epoch, steps } = this.#ledger;
    const step = this.committed() - steps;
    // One that goes on stands in an epoch before it has done anything here.
    const hasBegun = startMs !== null || this.run.committed > 0;
    return {
      epoch: hasBegun ? Math.min(epoch, this.run.recipe.epochs) : 0,
      step,
      first,
      seconds: startMs === null ? 0 : (performance.now() - startMs) / 1000,
      loss: step === first ? null : this.#team.results().losses[step - 1],
    };
  }

  committed(): number {
    return this.#team.committed;
  }

  workers(): readonly WorkerNow[] {
    return this.#team.workersNow();
  }

  account(): RunAccount {
    const { deaths, joins, shardsRecomputed } = this.#team;
    return { work: this.#team.account(), deaths, joins, shardsRecomputed };
  }

  /** The step after the next writes over what is current now, so a copy is good unless a step is committed meanwhile. */
  flat(): ReturnType<LiveRun['flat']> {
    const { memory, architecture } = this.run;
    for (let attempt = 0; attempt < mostCopies; attempt++) {
      const steps = this.#team.committed;
      const flat = new Float32Array(memory.buffer, this.#team.replica.flat, architecture.flatSize).slice();
      if (this.#team.committed === steps) return { steps, flat };
    }
    return null;
  }

  watchSteps(...watch: Parameters<LiveRun['watchSteps']>): () => void {
    return this.#team.watchSteps(...watch);
  }

  watchRate(...wanted: Parameters<LiveRun['watchRate']>): ReturnType<LiveRun['watchRate']> {
    return this.#team.watchRate(...wanted);
  }
}
