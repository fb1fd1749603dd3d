/** What a worker is asked to compute. It may be asked before the step is there: a total may be on its way still. */
import type { TreeNode } from '../shared/reduction/tree.ts';

/** Shards of the test set to evaluate once so many steps are committed. */
export interface Evaluation {
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

export type Work =
  | { readonly kind: 'nodes'; readonly nodes: readonly TreeNode[] }
  | { readonly kind: 'evaluation'; readonly evaluation: Evaluation };

export class Agenda {
  /** Nodes to compute, by the steps committed before theirs. */
  readonly #nodes = new Map<number, readonly TreeNode[]>();
  #evaluations: Evaluation[] = [];

  assign(step: number, nodes: readonly TreeNode[]): void {
    this.#nodes.set(step, [...(this.#nodes.get(step) ?? []), ...nodes]);
  }

  evaluate(evaluation: Evaluation): void {
    this.#evaluations.push(evaluation);
  }

  /** Takes off what is to be done next before a step, or null: nodes first, for others wait for them. */
  take(step: number): Work | null {
    const nodes = this.#nodes.get(step);
    if (nodes !== undefined) {
      this.#nodes.delete(step);
      return { kind: 'nodes', nodes };
    }
    const at = this.#evaluations.findIndex((one) => one.step === step);
    if (at < 0) return null;
    const [evaluation] = this.#evaluations.splice(at, 1);
    return { kind: 'evaluation', evaluation };
  }

  /** What was to be done before a step is others' business, or done. */
  forgetBefore(step: number): void {
    for (const other of this.#nodes.keys()) if (other < step) this.#nodes.delete(other);
    this.#evaluations = this.#evaluations.filter((one) => one.step >= step);
  }

  clear(): void {
    this.#nodes.clear();
    this.#evaluations = [];
  }
}
