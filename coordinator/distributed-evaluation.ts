/** One evaluation, computed by workers: each has a range of the evaluation shards; losses and predictions come back. */
import { evaluationShard } from '../shared/model/memory-plan.ts';
import type { Frame } from '../shared/wire/frame.ts';
import { floatsOf } from '../shared/wire/frame.ts';
import type { Overdue } from './distributed-step.ts';
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
  /** Members owe something past the deadline, and others wait for them. */
  late(members: readonly Overdue[]): void;
  violated(member: Member, what: string): void;
  dropped(member: Member, what: string): void;
}

export class DistributedEvaluation {
  /** Steps committed before it. */
  readonly number: number;
  readonly #samples: number;
  readonly #host: EvaluationHost;
  readonly #owed = new Map<Member, Range[]>();
  /** Who was given what another had, until the next deadline: they have had less time than the others. */
  readonly #fresh = new Set<Member>();
  readonly #done: boolean[];
  #orphans: Range[] = [];

  constructor(number: number, samples: number, host: EvaluationHost) {
    this.number = number;
    this.#samples = samples;
    this.#host = host;
    this.#done = new Array<boolean>(Math.ceil(samples / evaluationShard)).fill(false);
  }

  /** Gives all shards to those who are there. */
  begin(): void {
    this.#distribute([{ from: 0, to: this.#done.length }]);
  }

  /** Gives what nobody has to those who are there now. */
  adoptOrphans(): void {
    const ranges = this.#orphans;
    this.#orphans = [];
    for (const member of this.#distribute(ranges)) this.#fresh.add(member);
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
    const owing = ready.filter((member) => (this.#owed.get(member) ?? []).length > 0);
    const late = owing.filter((member) => !this.#fresh.has(member));
    this.#fresh.clear();
    if (late.length === 0 || owing.length === ready.length) return;
    // All at once: what one of them owes must not go to the next.
    this.#host.late(late.map((member) => ({ member, what: 'a part of the evaluation' })));
  }

  /** Shares ranges out among the members, and returns those who were given something. */
  #distribute(ranges: readonly Range[]): Set<Member> {
    const ready = this.#host.ready();
    const given = new Set<Member>();
    if (ready.length === 0) this.#orphans.push(...ranges);
    for (const range of ready.length === 0 ? [] : ranges) {
      for (const [member, part] of partsOf(range, ready)) {
        given.add(member);
        this.#owed.set(member, [...(this.#owed.get(member) ?? []), part]);
        member.link.send({ type: 'evaluate', step: this.number, ...part });
      }
    }
    return given;
  }
}

/** A range cut in proportion to speeds; whose part would be empty gets none. */
function partsOf({ from, to }: Range, ready: ReturnType<EvaluationHost['ready']>): [Member, Range][] {
  const total = ready.reduce((sum, { speed }) => sum + speed, 0);
  let before = 0;
  let begin = from;
  return ready.flatMap(({ member, speed }): [Member, Range][] => {
    before += speed;
    const part = { from: begin, to: from + Math.round(((to - from) * before) / total) };
    begin = part.to;
    return part.from === part.to ? [] : [[member, part]];
  });
}
