/**
 * Who is there: the workers of a run, from their hello to their end, and what each of them did in all. A change of who
 * takes part is a new generation.
 */
import type { Frame } from '../shared/wire/frame.ts';
import type { ArrivingLink, Clock } from '../shared/wire/link.ts';
import type { Hello, TimelineMessage } from '../shared/wire/messages.ts';
import { type Account, Accounts } from './accounts.ts';
import { Member, type Refusal, type Welcoming } from './member.ts';

/** What happens to the workers, for whoever shows or logs it. */
export type RosterEvent =
  | { readonly kind: 'joined'; readonly threads: number; readonly kernels: string; readonly isBack: boolean }
  /** It was late or out of step, and has the replica again. */
  | { readonly kind: 'back' }
  | {
      readonly kind:
        | 'left'
        | 'died'
        | 'late'
        | 'behind'
        | 'replaced'
        | 'refused'
        | 'thrown out'
        | 'out of step';
      readonly reason: string;
    };

export interface RosterHost {
  /** What a worker needs to know that is welcome. */
  welcome(): Omit<Welcoming, 'name'>;
  /** Views of the data set: training images and labels, test images and labels. */
  data(): readonly Uint8Array[];
  /** It wants a replica. */
  sync(member: Member): void;
  /** Somebody is ready to take part. */
  ready(member: Member): void;
  /** A worker has been gone for so long, or others are so many, that what it did is not kept apart any more. */
  forgotten(workerId: string): void;
  /** Somebody takes part no more, for now or for good: others compute what it has. */
  lost(member: Member): void;
  partial(member: Member, frame: Frame): void;
  evaluation(member: Member, frame: Frame): void;
  checksum(member: Member, step: number, sha256: string): void;
  timeline(member: Member, message: TimelineMessage): void;
  onEvent(event: RosterEvent, member: Member): void;
}

/** Who takes no part for a while, and why. */
interface Paused {
  readonly member: Member;
  readonly reason: string;
}

/** A worker whose replica is wrong more often than this has broken memory. */
export const mostWrongReplicas = 3;

export class Roster {
  joins = 0;
  deaths = 0;
  generation = 0;
  /** Frames that nobody wanted: late, twice, or of another run. */
  framesDropped = 0;
  readonly #clock: Clock;
  readonly #host: RosterHost;
  readonly #members = new Set<Member>();
  readonly #accounts: Accounts;
  #isClosed = false;

  constructor(clock: Clock, host: RosterHost) {
    this.#clock = clock;
    this.#host = host;
    this.#accounts = new Accounts((workerId) => host.forgotten(workerId));
  }

  /** All that are connected, welcome or not yet. */
  get members(): Member[] {
    return [...this.#members];
  }

  /** Members that get every total. */
  get following(): Member[] {
    return [...this.#members].filter(({ state }) => state === 'syncing' || state === 'ready');
  }

  /** Members that take part. */
  get ready(): Member[] {
    return [...this.#members].filter(({ state }) => state === 'ready');
  }

  /** Accounts by the worker's id. */
  get accountsById(): ReadonlyMap<string, Account> {
    return this.#accounts.byId;
  }

  /** What each worker that took part did in the whole run, in the order in which they came. */
  accounts(): Account[] {
    return this.#accounts.all();
  }

  /** A worker is at the door; the link is to tell the member what comes. */
  arrive(link: ArrivingLink): Member {
    const member = new Member(link, this.#clock, {
      hello: (member, hello) => this.#greet(member, hello),
      data: () => this.#host.data(),
      join: (member) => this.#host.sync(member),
      ready: (member) => this.#admit(member),
      partial: (member, frame) => this.#host.partial(member, frame),
      evaluation: (member, frame) => this.#host.evaluation(member, frame),
      checksum: (member, step, sha256) => this.#host.checksum(member, step, sha256),
      timeline: (member, message) => this.#host.timeline(member, message),
      gone: (member, reason, isLeaving) => this.#gone(member, reason, isLeaving),
      dropped: () => {
        this.framesDropped += 1;
      },
    });
    this.#members.add(member);
    return member;
  }

  /** Adds what a worker did in a step that is committed. */
  credit(member: Member, did: Pick<Account, 'shards' | 'gradients' | 'seconds'>): void {
    this.#accounts.credit(member, did);
  }

  /** They owe something that others wait for; until they answer they take no part, none of them. */
  late(members: readonly Paused[]): void {
    this.#pause('late', members);
  }

  /** Its connection does not take what is sent to it; it gets no more of it. */
  fellBehind(member: Member, reason: string): void {
    member.state = 'behind';
    this.#host.onEvent({ kind: 'behind', reason }, member);
  }

  /** It has another replica than all others, and gets a new one, but not for ever. */
  outOfStep(member: Member, reason: string): void {
    member.wrongReplicas += 1;
    if (member.wrongReplicas > mostWrongReplicas) {
      this.throwOut(member, `${reason}, for the ${member.wrongReplicas}th time`);
      return;
    }
    this.#pause('out of step', [{ member, reason }]);
    this.resync(member, reason);
  }

  /** Gives a member that was left behind a new replica. */
  resync(member: Member, reason: string): void {
    member.resync(reason);
    this.#host.sync(member);
  }

  /** It did what it must not do, and is not wanted any more. */
  throwOut(member: Member, reason: string): void {
    this.#host.onEvent({ kind: 'thrown out', reason }, member);
    member.refuse(reason);
  }

  /** Sends all workers home, from a run that `failed` or not. */
  close(reason: string, failed = false): void {
    this.#isClosed = true;
    for (const member of [...this.#members]) member.dismiss(reason, failed);
  }

  #greet(member: Member, hello: Hello): Welcoming | Refusal {
    if (this.#isClosed) return { refusal: 'the run is over' };
    for (const other of [...this.#members]) {
      if (other === member || other.hello?.workerId !== hello.workerId) continue;
      // The same worker over a new connection: whatever still comes over the old one does not count.
      this.#host.onEvent({ kind: 'replaced', reason: 'it came back over another connection' }, other);
      other.drop('replaced by a new connection of the same worker');
    }
    const name = this.#accounts.of(hello)?.name ?? this.#uniqueName(member, hello.name);
    return { ...this.#host.welcome(), name };
  }

  /** A name that neither another member has nor one that took part. */
  #uniqueName(member: Member, name: string): string {
    const others = this.members.filter((other) => other !== member);
    const taken = new Set([...this.#accounts.names, ...others.map((other) => other.name)]);
    let unique = name;
    for (let i = 2; taken.has(unique); i++) unique = `${name}-${i}`;
    return unique;
  }

  #admit(member: Member): void {
    member.state = 'ready';
    this.generation += 1;
    if (!member.hasJoined) {
      member.hasJoined = true;
      this.joins += 1;
      const { threads = 1, kernels = '' } = member.hello ?? {};
      const isBack = member.hello !== null && this.#accounts.of(member.hello) !== undefined;
      this.#accounts.open(member);
      this.#host.onEvent({ kind: 'joined', threads, kernels, isBack }, member);
    } else {
      this.#host.onEvent({ kind: 'back' }, member);
    }
    this.#host.ready(member);
  }

  #pause(kind: 'late' | 'out of step', members: readonly Paused[]): void {
    for (const { member } of members) member.state = 'late';
    this.generation += 1;
    for (const { member, reason } of members) this.#host.onEvent({ kind, reason }, member);
    for (const { member } of members) this.#host.lost(member);
  }

  #gone(member: Member, reason: string, isLeaving: boolean): void {
    this.#members.delete(member);
    if (!member.wasWelcome) {
      if (!this.#isClosed) this.#host.onEvent({ kind: 'refused', reason }, member);
      return;
    }
    this.#accounts.close(member);
    if (this.#isClosed) return;
    if (member.hasJoined) this.generation += 1;
    if (member.hasJoined && !isLeaving) this.deaths += 1;
    this.#host.onEvent({ kind: isLeaving ? 'left' : 'died', reason }, member);
    this.#host.lost(member);
  }
}
