/** One evaluation, computed by workers: each has a range of the evaluation shards; losses and predictions come back. */
import { evaluationShard } from '../shared/model/memory-plan.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { floatsOf } from '../shared/wire/frame.ts';
import type { Member } from './member.ts';

interface Range {
  readonly from: number;
  readonly to: number;
}

export interface EvaluationHost {
  ready(): readonly { readonly member: Member; readonly speed: number }[];
  /** Whether losses that are not finite are what the replica gives, and not their sender's mistake. */
  isTrue(range: Range): boolean;
  /** Keeps what came of some shards: a loss of each, then the label predicted for each of their samples. */
  keep(range: Range, losses: Float32Array, predictions: Uint8Array): void;
  finished(): void;
  late(member: Member, what: string): void;
  violated(member: Member, what: string): void;
  dropped(member: Member, what: string): void;
}

export class DistributedEvaluation {
  /** Steps committed before it. */
  readonly number: number;
  readonly #samples: number;
  readonly #host: EvaluationHost;
  readonly #owed = new Map<Member, Range[]>();
  readonly #done: boolean[];
  #orphans: Range[];

  constructor(number: number, samples: number, host: EvaluationHost) {
    this.number = number;
    this.#samples = samples;
    this.#host = host;
    const count = Math.ceil(samples / evaluationShard);
    this.#done = new Array<boolean>(count).fill(false);
    this.#orphans = [{ from: 0, to: count }];
  }

  get hasOrphans(): boolean {
    return this.#orphans.length > 0;
  }

  /** Gives what nobody has to those who are there. */
  adoptOrphans(): void {
    const ready = this.#host.ready();
    if (ready.length === 0) return;
    const ranges = this.#orphans;
    this.#orphans = [];
    for (const range of ranges) this.#distribute(range, ready);
  }

  evaluation(member: Member, { lo: from, hi: to, payload }: Frame): void {
    const what = `the evaluation of shards ${from}–${to - 1}`;
    const owed = this.#owed.get(member) ?? [];
    const range = owed.find((own) => own.from === from && own.to === to);
    if (range === undefined) {
      this.#host.dropped(member, `${what}, which is not its own`);
      return;
    }
    const samples = Math.min(to * evaluationShard, this.#samples) - from * evaluationShard;
    const expected = 4 * (to - from) + samples;
    if (payload.length !== expected) {
      this.#host.violated(member, `${what} in ${payload.length} bytes, expected ${expected}`);
      return;
    }
    const lossBytes = 4 * (to - from);
    const losses = floatsOf(payload.subarray(0, lossBytes));
    if (!losses.every(Number.isFinite) && !this.#host.isTrue(range)) {
      this.#host.violated(member, `${what} with NaN or infinity where there is none`);
      return;
    }
    this.#owed.set(
      member,
      owed.filter((own) => own !== range),
    );
    // Shards that came from somebody else meanwhile are the same, bit for bit.
    this.#host.keep(range, losses, payload.subarray(lossBytes));
    this.#done.fill(true, from, to);
    if (this.#done.every(Boolean)) this.#host.finished();
  }

  /** A member is gone or may not go on: others evaluate what it had. */
  lose(member: Member): void {
    this.#orphans.push(...(this.#owed.get(member) ?? []));
    this.#owed.delete(member);
    this.adoptOrphans();
  }

  /** At the deadline: who owes something while another has nothing to do is late. */
  expire(): void {
    const ready = this.#host.ready().map(({ member }) => member);
    const owes = (member: Member) => (this.#owed.get(member) ?? []).length > 0;
    if (ready.every(owes)) return;
    for (const member of ready.filter(owes)) this.#host.late(member, 'a part of the evaluation');
  }

  /** Cuts a range in proportion to speeds. */
  #distribute({ from, to }: Range, ready: ReturnType<EvaluationHost['ready']>): void {
    const total = ready.reduce((sum, { speed }) => sum + speed, 0);
    let before = 0;
    let begin = from;
    for (const { member, speed } of ready) {
      before += speed;
      const end = from + Math.round(((to - from) * before) / total);
      if (end === begin) continue;
      this.#owed.set(member, [...(this.#owed.get(member) ?? []), { from: begin, to: end }]);
      member.link.send({ type: 'evaluate', step: this.number, from: begin, to: end });
      begin = end;
    }
  }
}
