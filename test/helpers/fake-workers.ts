/** Workers that a test plays: their hello, replica and partials, over links that remember what was sent. */
import type { Member } from '../../coordinator/member.ts';
import type { Run } from '../../coordinator/prepare.ts';
import { prepareRun } from '../../coordinator/prepare.ts';
import { sha256 } from '../../shared/digest.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { lossSlotBytes } from '../../shared/model/memory-plan.ts';
import { draftRecipe } from '../../shared/recipe/resolve.ts';
import type { ArrivingLink } from '../../shared/wire/link.ts';
import { RecordingLink } from './recording-link.ts';
import { label, syntheticDataset } from './train.ts';
import { helloOf } from './workers.ts';

/** A run of many steps with one exchange each, in eight shards, whose gradient takes 318 KB. */
export function runToPlay(): Promise<Run> {
  const fields = { model: 'dense(100) dense(10)', batchSize: 8, shardSize: 1, epochs: 1 };
  const draft = draftRecipe(fields, label);
  const source = syntheticDataset(3, 400, 10);
  return prepareRun({ draft, source, kernels: loadKernels('wasm'), threads: 1, initial: null, label });
}

export class FakeWorker {
  readonly link: RecordingLink;
  readonly member: Member;
  readonly #gradientFloats: number;
  /** Messages that were looked at. */
  #seen = 0;

  /** A worker that has said hello and has its bulk connection. */
  constructor(i: number, { architecture }: Run, arrive: (link: ArrivingLink) => Member) {
    this.#gradientFloats = architecture.flatSize + lossSlotBytes / 4;
    this.link = new RecordingLink(`10.0.0.${i}:5000`);
    this.member = arrive(this.link);
    this.member.message(helloOf(i, 1));
    this.link.hasBulk = true;
  }

  /** It asks for its replica, and takes it if it is to. */
  join({ takes = true } = {}): this {
    this.member.message({ type: 'join' });
    if (takes) this.confirm();
    return this;
  }

  /** It has the replica that was sent last. */
  confirm(): void {
    this.link.drain();
    const replicas = this.link.frames.filter(({ type }) => type === 'replica');
    const last = replicas.filter(({ lo }) => lo === replicas.at(-1)?.lo);
    const step = last[0].step;
    const digest = sha256(Buffer.concat(last.map(({ payload }) => payload)));
    this.member.message({ type: 'ready', step });
    this.member.message({ type: 'checksum', step, sha256: digest });
  }

  /** Nodes that it has been asked for since the last look, `[step, lo, hi]`. */
  asked(): [number, number, number][] {
    const news = this.link.messages.slice(this.#seen);
    this.#seen = this.link.messages.length;
    return news.flatMap((message) =>
      message.type === 'assign'
        ? message.nodes.map(([lo, hi]): [number, number, number] => [message.step, lo, hi])
        : [],
    );
  }

  /** It sends the partials of nodes, whose values are all the same. */
  answer(nodes: readonly [number, number, number][], run: number, value = 0): void {
    for (const [step, lo, hi] of nodes) {
      const payload = new Uint8Array(new Float32Array(this.#gradientFloats).fill(value).buffer);
      const place = { exchange: 0, panel: 0, microseconds: 1_000 };
      this.member.frame({ type: 'partial', run, step, lo, hi, ...place, payload });
    }
  }
}
