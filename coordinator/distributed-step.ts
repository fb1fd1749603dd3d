/**
 * One step, computed by workers: who has which nodes of the reduction tree, what has come of each exchange, and who takes
 * over when somebody dies or is late. Whatever happens to the workers, the totals are the same.
 */
import type { PartialLayout } from '../shared/reduction/partial.ts';
import { middle, type TreeNode } from '../shared/reduction/tree.ts';
import { type Frame, floatsOf } from '../shared/wire/frame.ts';
import { mostNodes } from '../shared/wire/limits.ts';
import type { Member } from './member.ts';
import type { Reduction } from './reduction.ts';

/** What a step asks of its surroundings. */
export interface StepHost {
  /** The members that take part, and how fast they are, in shards per second (or any unit, if the same for all). */
  ready(): readonly { readonly member: Member; readonly speed: number }[];
  newReduction(exchange: number): Reduction;
  /**
   * An exchange is complete. False if its total holds NaN or infinity: the step stands still then.
   * @param isKnownFinite whether it does not, as far as merging has shown
   */
  isGood(exchange: number, total: Float32Array, isKnownFinite: boolean | null): boolean;
  /** Sends a total to all who follow. */
  broadcast(exchange: number, total: Float32Array): void;
  /** The last total is out. */
  finished(): void;
  /** Members owe something past the deadline, and others wait for them. */
  late(members: readonly Overdue[]): void;
  /** A member sent what it must not send. */
  violated(member: Member, what: string): void;
  /** Two workers computed different bits for one node. */
  conflict(member: Member, what: string): void;
  dropped(member: Member, what: string): void;
}

/** Who owes something for too long, and what. */
export interface Overdue {
  readonly member: Member;
  readonly what: string;
}

/** What one member has of the step. */
export interface Share {
  nodes: TreeNode[];
  /** All that it was ever given; what it sends of others it must not send. */
  readonly given: TreeNode[];
  /** Nodes whose partial of the current exchange has not come. */
  owed: TreeNode[];
  /** True from being given what another had until the next deadline: it has had less time than the others. */
  isFresh: boolean;
  /** Shards whose gradient was taken from it, known at the end. */
  shards: number;
  /** Nodes in which they came: one gradient each. */
  gradients: number;
  /** Seconds that it says it computed. */
  seconds: number;
}

export class DistributedStep {
  /** Steps committed before it. */
  readonly number: number;
  /** Shards that were given to another worker because one died or was late. */
  shardsRecomputed = 0;
  readonly #host: StepHost;
  readonly #layouts: readonly PartialLayout[];
  readonly #shares = new Map<Member, Share>();
  /** Of each exchange that has begun; the last one is the current. */
  readonly #reductions: Reduction[] = [];
  /** Who sent the accepted partials of the current exchange, by node. */
  #senders = new Map<string, Member>();
  #orphans: TreeNode[] = [];
  #isFinished = false;

  constructor(number: number, layouts: readonly PartialLayout[], host: StepHost) {
    this.number = number;
    this.#layouts = layouts;
    this.#host = host;
    this.#reductions.push(host.newReduction(0));
  }

  get shares(): ReadonlyMap<Member, Share> {
    return this.#shares;
  }

  get exchange(): number {
    return this.#reductions.length - 1;
  }

  /** What merging made, by exchange: free for reuse once the step is over and its totals have left. */
  mergedValues(): Float32Array[][] {
    return this.#reductions.map((reduction) => reduction.mergedValues());
  }

  /** Gives nodes to a member, which computes them from the step's start. */
  give(member: Member, nodes: readonly TreeNode[]): void {
    if (nodes.length === 0) return;
    const share = this.#shareOf(member);
    share.nodes.push(...nodes);
    share.given.push(...nodes);
    share.owed.push(...nodes);
    for (let first = 0; first < nodes.length; first += mostNodes) {
      member.link.send({
        type: 'assign',
        step: this.number,
        nodes: nodes.slice(first, first + mostNodes).map(({ lo, hi }) => [lo, hi]),
      });
    }
  }

  /** Brings someone who has joined in the middle of the step up to it. Its link must have the replica already. */
  followUp(send: (exchange: number, total: Float32Array) => void): void {
    for (const [exchange, { total }] of this.#reductions.slice(0, -1).entries()) {
      if (total !== null) send(exchange, total);
    }
  }

  /** Gives what nobody has to those who are there now. */
  adoptOrphans(): void {
    const nodes = this.#orphans;
    this.#orphans = [];
    this.#distribute(nodes);
  }

  /** Takes a partial from a member. */
  partial(member: Member, { exchange, lo, hi, payload, microseconds }: Frame): void {
    const what = `the partial of exchange ${exchange}, shards ${lo}–${hi - 1} of step ${this.number + 1}`;
    const share = this.#shares.get(member);
    const problem = this.#problemWith(share, { exchange, lo, hi, payload });
    if (share === undefined || problem !== null) {
      this.#host.violated(member, `${what}, ${problem}`);
      return;
    }
    const reduction = this.#reductions[exchange];
    const outcome = reduction.accept({ lo, hi }, floatsOf(payload));
    const isCurrent = exchange === this.exchange && !this.#isFinished;
    if (isCurrent) share.owed = share.owed.filter((node) => node.lo !== lo || node.hi !== hi);
    share.seconds += microseconds / 1e6;
    const isTaken = outcome === 'accepted' || outcome === 'corrected';
    if (outcome === 'conflict' || outcome === 'corrected') this.#host.conflict(member, what);
    if (isTaken && isCurrent) this.#senders.set(keyOf({ lo, hi }), member);
    else if (!isTaken) this.#host.dropped(member, `${what}, which was there (${outcome})`);
    if (isCurrent && reduction.total !== null) this.#endExchange(reduction.total);
  }

  #problemWith(
    share: Share | undefined,
    { exchange, lo, hi, payload }: Pick<Frame, 'exchange' | 'lo' | 'hi' | 'payload'>,
  ): string | null {
    if (!share?.given.some((node) => node.lo === lo && node.hi === hi)) return 'which is not its own';
    if (exchange > this.exchange) return 'which has not begun';
    const expected = 4 * this.#layouts[exchange].floats;
    return payload.length === expected ? null : `${payload.length} bytes, expected ${expected}`;
  }

  /** A member is gone or may not go on: others compute what it had. */
  lose(member: Member): void {
    const share = this.#shares.get(member);
    if (share === undefined || this.#isFinished) return;
    // Nothing more is needed of a node whose gradient is here.
    const nodes = this.#isLast(this.exchange) ? this.#missingOf(share) : share.nodes;
    share.owed = [];
    share.nodes = [];
    this.shardsRecomputed += shardCount(nodes);
    this.#distribute(nodes);
  }

  /** At the deadline: who owes something while another has nothing to do is late. */
  expire(): void {
    const owing = this.#host
      .ready()
      .map(({ member }) => ({ member, owed: this.#missingOf(this.#shares.get(member)) }));
    const late = owing.filter(
      ({ member, owed }) => owed.length > 0 && this.#shares.get(member)?.isFresh === false,
    );
    for (const share of this.#shares.values()) share.isFresh = false;
    if (late.length === 0 || owing.every(({ owed }) => owed.length > 0)) return;
    // All at once: what one of them owes must not go to the next.
    this.#host.late(late.map(({ member, owed }) => ({ member, what: shardsOf(owed) })));
  }

  /**
   * Throws out the partials of the current exchange that hold NaN or infinity, because the step itself does not: whoever
   * sent them is handed to `blame`, then others compute them. Returns false if there are none.
   */
  rejectNonFinite(blame: (sender: Member) => void): boolean {
    const reduction = this.#reductions[this.exchange];
    const bad = reduction.nonFiniteNodes();
    const senders = new Set(bad.map((node) => this.#senders.get(keyOf(node))));
    for (const node of bad) reduction.drop(node);
    for (const sender of senders) if (sender !== undefined && sender.state !== 'gone') blame(sender);
    // Nobody may be asked for the same shards twice.
    const asked = this.#host.ready().flatMap(({ member }) => this.#shares.get(member)?.owed ?? []);
    const known = [...asked, ...this.#orphans];
    this.#distribute(bad.filter((node) => !known.some((other) => overlap(node, other))));
    return bad.length > 0;
  }

  /** Of what a member owes, what has not come from elsewhere. */
  #missingOf(share: Share | undefined): TreeNode[] {
    if (share === undefined || share.owed.length === 0) return [];
    const missing = this.#reductions[this.exchange].missing();
    return share.owed.filter((node) => missing.some((other) => overlap(node, other)));
  }

  #endExchange(total: Float32Array): void {
    const { exchange } = this;
    if (!this.#host.isGood(exchange, total, this.#reductions[exchange].mergedIsFinite)) return;
    if (this.#isLast(exchange)) {
      this.#isFinished = true;
      this.#credit();
      this.#host.broadcast(exchange, total);
      this.#host.finished();
      return;
    }
    this.#senders = new Map();
    for (const share of this.#shares.values()) {
      share.owed = [...share.nodes];
      share.isFresh = false;
    }
    this.#reductions.push(this.#host.newReduction(exchange + 1));
    this.#host.broadcast(exchange, total);
  }

  /** Every shard is the work of one member: of the one whose partial the total is made of. */
  #credit(): void {
    for (const node of this.#reductions[this.exchange].parts()) {
      const sender = this.#senders.get(keyOf(node));
      if (sender === undefined) continue;
      const share = this.#shareOf(sender);
      share.shards += node.hi - node.lo;
      share.gradients += 1;
    }
  }

  /** Shares nodes out among the members, in proportion to their speeds, cut into children where there are too few. */
  #distribute(nodes: readonly TreeNode[]): void {
    const ready = this.#host.ready();
    if (ready.length === 0) {
      this.#orphans.push(...nodes);
      return;
    }
    const loads = ready.map(({ member, speed }) => ({ member, speed, nodes: [] as TreeNode[] }));
    const timeWith = (load: (typeof loads)[number], node: TreeNode) =>
      (shardCount(load.nodes) + node.hi - node.lo) / load.speed;
    for (const node of cutFor(nodes, ready.length)) {
      const best = loads.reduce((a, b) => (timeWith(b, node) < timeWith(a, node) ? b : a));
      best.nodes.push(node);
    }
    for (const { member, nodes: own } of loads) {
      this.give(member, own);
      if (own.length > 0) this.#shareOf(member).isFresh = true;
    }
  }

  #isLast(exchange: number): boolean {
    return exchange === this.#layouts.length - 1;
  }

  #shareOf(member: Member): Share {
    let share = this.#shares.get(member);
    if (share === undefined) {
      share = { nodes: [], given: [], owed: [], isFresh: false, shards: 0, gradients: 0, seconds: 0 };
      this.#shares.set(member, share);
    }
    return share;
  }
}

/** The nodes, the largest cut into their children until there are enough for so many members; largest first. */
function cutFor(nodes: readonly TreeNode[], count: number): TreeNode[] {
  const size = ({ lo, hi }: TreeNode) => hi - lo;
  const sorted = [...nodes].sort((a, b) => size(b) - size(a));
  while (sorted.length > 0 && sorted.length < count && size(sorted[0]) > 1) {
    const { lo, hi } = sorted[0];
    const split = middle(lo, hi);
    sorted.splice(0, 1, { lo, hi: split }, { lo: split, hi });
    sorted.sort((a, b) => size(b) - size(a));
  }
  return sorted;
}

function keyOf({ lo, hi }: TreeNode): string {
  return `${lo} ${hi}`;
}

function overlap(a: TreeNode, b: TreeNode): boolean {
  return a.lo < b.hi && b.lo < a.hi;
}

function shardCount(nodes: readonly TreeNode[]): number {
  return nodes.reduce((sum, { lo, hi }) => sum + hi - lo, 0);
}

/** `shards 4–7, 9` */
function shardsOf(nodes: readonly TreeNode[]): string {
  const runs = nodes.map(({ lo, hi }) => (hi - lo === 1 ? `${lo}` : `${lo}–${hi - 1}`));
  return `shards ${runs.join(', ')}`;
}
