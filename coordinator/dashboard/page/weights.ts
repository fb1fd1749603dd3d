/** The current model, brought into this browser: at most once a second, and only when there is a newer one. */
import type { Scale } from '../../../shared/data/scale.ts';
import type { Kernels } from '../../../shared/kernels/kernels.ts';
import { Predictor } from '../../../shared/predictor.ts';
import type { RunFacts } from '../feed.ts';
import { answered, request } from './access.ts';

const leastMs = 1000;

export class Weights {
  readonly #onNew: () => void;
  #predictor: Predictor | null = null;
  /** Of the run that the predictor was made for. */
  #recipeId: string | null = null;
  /** Steps after which these weights were; null before the first came. */
  #steps: number | null = null;
  #preparing: Promise<void> | null = null;
  #fetching: Promise<void> | null = null;
  #last = Number.NEGATIVE_INFINITY;

  /** @param onNew after newer weights have come */
  constructor(onNew: () => void) {
    this.#onNew = onNew;
  }

  get steps(): number | null {
    return this.#steps;
  }

  /** Null until there are weights. */
  get predictor(): Predictor | null {
    return this.#steps === null ? null : this.#predictor;
  }

  /** Makes room for the model of a run. @throws Error where the kernels cannot be loaded; they can be tried again */
  async prepare(facts: RunFacts): Promise<void> {
    if (this.#recipeId === facts.recipeId) return;
    this.#preparing ??= this.#load(facts).finally(() => {
      this.#preparing = null;
    });
    await this.#preparing;
  }

  async #load({ recipeId, model, scale }: RunFacts): Promise<void> {
    const module = await answered(WebAssembly.compileStreaming(fetch('/kernels.wasm')));
    const bind = (memory: unknown) =>
      new WebAssembly.Instance(module, { env: { memory: memory as WebAssembly.Memory } })
        .exports as unknown as Kernels;
    this.#predictor = new Predictor({ text: model, scale: scale as Scale }, bind, 1);
    this.#steps = null;
    this.#recipeId = recipeId;
  }

  /**
   * Fetches the weights, unless that was done just now or the known ones are of `step`.
   * @param step steps of the run so far, null where that is not known
   */
  async refresh(step: number | null): Promise<void> {
    if (this.#predictor === null || this.#fetching !== null || (step !== null && step === this.#steps))
      return;
    if (performance.now() - this.#last < leastMs) return;
    await this.#fetch();
  }

  /** Fetches the weights with which the run ended; soon after that they cannot be had any more. */
  async fetchLast(): Promise<void> {
    await this.#fetching?.catch(() => {}); // whoever began it says what was wrong with it
    await this.#fetch();
  }

  async #fetch(): Promise<void> {
    this.#last = performance.now();
    this.#fetching = this.#take();
    try {
      await this.#fetching;
    } finally {
      this.#fetching = null;
    }
  }

  async #take(): Promise<void> {
    const predictor = this.#predictor;
    if (predictor === null) return;
    const response = await request('/model');
    const steps = Number(response.headers.get('X-Lockstep-Steps'));
    const flat = new Float32Array(await answered(response.arrayBuffer()));
    if (predictor !== this.#predictor) return; // of the run before
    if (flat.length !== predictor.flat.length) {
      throw new Error(`/model: got ${flat.length} numbers, expected ${predictor.flat.length}`);
    }
    predictor.flat.set(flat);
    this.#steps = steps;
    this.#onNew();
  }
}
