/**
 * Who is there: the workers of a run, from their hello to their end, and what each of them did in all. A change of who
 * takes part is a new generation.
 */
import type { Frame } from '../shared/wire/frame.ts';
import type { ArrivingLink, Clock } from '../shared/wire/link.ts';
import type { Hello } from '../shared/wire/messages.ts';
import { Traffic } from '../shared/wire/traffic.ts';
import { Member, type Refusal, type Welcoming } from './member.ts';

/** What happens to the workers, for whoever shows or logs it. */
export type RosterEvent =
  | { readonly kind: 'joined'; readonly threads: number; readonly kernels: string; readonly isBack: boolean }
  | {
      readonly kind: 'left' | 'died' | 'late' | 'replaced' | 'refused' | 'thrown out' | 'out of step';
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
  ready(): void;
  /** Somebody takes part no more, for now or for good: others compute what it has. */
  lost(member: Member): void;
  partial(member: Member, frame: Frame): void;
  evaluation(member: Member, frame: Frame): void;
  checksum(member: Member, step: number, sha256: string): void;
  onEvent(event: RosterEvent, member: Member): void;
}

/** What a worker, by its id, did in the whole run, however often it came and went. */
export interface Account {
  readonly name: string;
  threads: number;
  shards: number;
  seconds: number;
  /** Total gradients that it was sent, and gradients that it sent. */
  steps: number;
  gradients: number;
  /** What went over its connections; null while it never left this process. */
  traffic: Traffic | null;
}

/** A worker whose replica is wrong more often than this has broken memory. */
const mostWrongReplicas = 3;

export class Roster {
  joins = 0;
  deaths = 0;
  generation = 0;
  /** Frames that nobody wanted: late, twice, or of another run. */
  framesDropped = 0;
  readonly #clock: Clock;
  readonly #host: RosterHost;
  readonly #members = new Set<Member>();
  readonly #accounts = new Map<string, Account>();
  #isClosed = false;

  constructor(clock: Clock, host: RosterHost) {
    this.#clock = clock;
    this.#host = host;
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

  /** What each worker did in the whole run, in the order in which they came. */
  accounts(): Account[] {
    const now = new Map([...this.#accounts].map(([id, account]) => [id, { ...account }]));
    for (const { hello, link } of this.#members) {
      const account = now.get(hello?.workerId ?? '');
      if (account !== undefined) account.traffic = sumOf(account.traffic, link.traffic);
    }
    return [...now.values()];
  }

  accountOf(member: Member): Account {
    const account = this.#accounts.get(member.hello?.workerId ?? '');
    if (account === undefined) throw new Error(`${member.name} has no account before its hello`);
    return account;
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
    const account = this.accountOf(member);
    account.shards += did.shards;
    account.gradients += did.gradients;
    account.seconds += did.seconds;
  }

  /** It owes something that others wait for; until it answers it takes no part. */
  late(member: Member, reason: string): void {
    this.#pause(member, 'late', reason);
  }

  /** It has another replica than all others, and gets a new one, but not for ever. */
  outOfStep(member: Member, reason: string): void {
    member.wrongReplicas += 1;
    if (member.wrongReplicas > mostWrongReplicas) {
      this.throwOut(member, `${reason}, for the ${member.wrongReplicas}th time`);
      return;
    }
    this.#pause(member, 'out of step', reason);
    this.resync(member, reason);
  }

  /** Gives a member that was left behind a new replica. */
  resync(member: Member, reason: string): void {
    member.link.send({ type: 'resync', reason });
    this.#host.sync(member);
  }

  /** It did what it must not do, and is not wanted any more. */
  throwOut(member: Member, reason: string): void {
    this.#host.onEvent({ kind: 'thrown out', reason }, member);
    member.refuse(reason, false);
  }

  /** Sends all workers home, from a run that `failed` or not. */
  close(reason: string, failed = false): void {
    this.#isClosed = true;
    for (const member of [...this.#members]) member.dismiss(reason, failed);
  }

  #greet(member: Member, hello: Hello): Welcoming | Refusal {
    if (this.#isClosed) return { refusal: 'the run is over', retry: false };
    for (const other of [...this.#members]) {
      if (other === member || other.hello?.workerId !== hello.workerId) continue;
      // The same worker over a new connection: whatever still comes over the old one does not count.
      this.#host.onEvent({ kind: 'replaced', reason: 'it came back over another connection' }, other);
      other.drop('replaced by a new connection of the same worker');
    }
    let account = this.#accounts.get(hello.workerId);
    if (account === undefined) {
      const name = this.#uniqueName(hello.name);
      const nothing = { shards: 0, seconds: 0, steps: 0, gradients: 0, traffic: null };
      account = { name, threads: hello.threads, ...nothing };
      this.#accounts.set(hello.workerId, account);
    }
    account.threads = hello.threads;
    return { ...this.#host.welcome(), name: account.name };
  }

  #uniqueName(name: string): string {
    const taken = new Set([...this.#accounts.values()].map((account) => account.name));
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
      const { threads, shards } = this.accountOf(member);
      const kernels = member.hello?.kernels ?? '';
      this.#host.onEvent({ kind: 'joined', threads, kernels, isBack: shards > 0 }, member);
    }
    this.#host.ready();
  }

  #pause(member: Member, kind: 'late' | 'out of step', reason: string): void {
    member.state = 'late';
    this.generation += 1;
    this.#host.onEvent({ kind, reason }, member);
    this.#host.lost(member);
  }

  #gone(member: Member, reason: string, isLeaving: boolean): void {
    this.#members.delete(member);
    if (!member.wasWelcome) {
      if (!this.#isClosed) this.#host.onEvent({ kind: 'refused', reason }, member);
      return;
    }
    const account = this.accountOf(member);
    account.traffic = sumOf(account.traffic, member.link.traffic);
    if (this.#isClosed) return;
    if (member.hasJoined) this.generation += 1;
    if (member.hasJoined && !isLeaving) this.deaths += 1;
    this.#host.onEvent({ kind: isLeaving ? 'left' : 'died', reason }, member);
    this.#host.lost(member);
  }
}

/** A new sum of what went over connections; null for none. */
function sumOf(past: Traffic | null, more: Traffic | undefined): Traffic | null {
  if (more === undefined) return past;
  const sum = new Traffic();
  if (past !== null) sum.add(past);
  sum.add(more);
  return sum;
}
