/** The coordinator's own replica: it takes every update, and gives copies to those who join. */

import { lossSlotBytes } from '../shared/model/memory-plan.ts';
import type { BatchResult } from '../shared/model/model.ts';
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { replicaDigest, replicaViews } from '../shared/replica.ts';
import { Training } from '../shared/training.ts';
import type { Run } from './prepare.ts';

export class CoordinatorReplica {
  /** Steps committed since the training began. */
  committed: number;
  /** The checksum of what the last update wrote; what is computed to find something out changes nothing here. */
  updateChecksum = 0n;
  readonly #run: Run;
  readonly #training: Training;

  /** @param run planned for one thread */
  constructor(run: Run) {
    this.#run = run;
    this.committed = run.committed;
    this.#training = new Training(run.setup, run.kernels, run.memory, 0, 1);
    this.#training.nonFinite.clear();
  }

  /** What travels in each exchange of a step. */
  get layouts(): PartialLayout[] {
    return this.#training.model.exchanges.map(({ layout }) => layout);
  }

  /** Bytes of a replica. */
  get bytes(): number {
    return 8 * this.#run.architecture.flatSize;
  }

  /** Notes the total gradient of a step. */
  takeGradient(total: Float32Array): void {
    const { memory, plan } = this.#run;
    new Float32Array(memory.buffer, plan.gradient, total.length).set(total);
  }

  /** False if the gradient that was taken holds NaN or infinity. */
  gradientIsFinite(): boolean {
    const { plan, architecture } = this.#run;
    return this.#training.isFinite(plan.gradient, architecture.flatSize + lossSlotBytes / 4);
  }

  /**
   * Makes the update of a step of the epoch from the gradient that was taken. Returns what came of the batch, or null if
   * a new value is not finite; the old replica stands then.
   */
  apply(step: number): BatchResult | null {
    const { nonFinite } = this.#training;
    nonFinite.clear();
    const batch = this.#training.apply(step, this.committed);
    if (nonFinite.found()) return null;
    this.committed += 1;
    this.updateChecksum = this.#training.model.checksum;
    return batch;
  }

  /** Evaluates shards of the test set here, all if nothing is said; losses and predictions are in memory afterwards. */
  evaluate(shards?: { readonly from: number; readonly to: number }): void {
    this.#training.evaluate('test', this.committed, () => {}, shards);
  }

  /** A copy of the replica as bytes. */
  snapshot(): Uint8Array {
    const [flat, state] = this.#views();
    const copy = new Uint8Array(this.bytes);
    copy.set(flat);
    copy.set(state, flat.length);
    return copy;
  }

  checksum(): string {
    return replicaDigest(this.#views());
  }

  /**
   * Computes a step of the epoch alone, to find out whether it is the step that gives NaN or infinity or a worker.
   * Returns where, in words, or null if every number is finite. Nothing is committed.
   */
  diagnose(step: number): string | null {
    const { nonFinite } = this.#training;
    const { committed } = this;
    this.#training.tryStep(step, committed);
    return nonFinite.found() ? this.#training.describeNonFinite(step, committed) : null;
  }

  #views(): [Uint8Array, Uint8Array] {
    const { memory, plan, architecture } = this.#run;
    return replicaViews(memory, plan, architecture.flatSize, this.committed);
  }
}
