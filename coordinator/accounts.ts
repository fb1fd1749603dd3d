/** Who did what in a run: an account for each worker that took part, by its id, however often it came and went. */
import type { Hello } from '../shared/wire/messages.ts';
import { Traffic } from '../shared/wire/traffic.ts';
import type { Member } from './member.ts';

export interface Account {
  readonly name: string;
  threads: number;
  kernels: string;
  shards: number;
  seconds: number;
  /** Total gradients that it was sent, and gradients that it sent. */
  steps: number;
  gradients: number;
  /** What went over its connections; null while it never left this process. */
  traffic: Traffic | null;
}

/** More accounts than that are not kept apart: those of workers that went first are put together. */
export const mostAccounts = 1_024;

export class Accounts {
  readonly #accounts = new Map<string, Account>();
  /** Whose account is open: the members by their worker's id. */
  readonly #open = new Map<string, Member>();
  readonly #ended: (workerId: string) => void;
  /** All accounts that are not kept apart any more. */
  #others: Account | null = null;

  /** @param ended told of a worker whose account is not kept any more */
  constructor(ended: (workerId: string) => void) {
    this.#ended = ended;
  }

  /** The account of a worker that takes part or has done so. */
  of({ workerId }: Pick<Hello, 'workerId'>): Account | undefined {
    return this.#accounts.get(workerId);
  }

  /** Those that are kept apart, by the worker's id, in the order in which the workers came. */
  get byId(): ReadonlyMap<string, Account> {
    return this.#accounts;
  }

  get names(): string[] {
    return [...this.#accounts.values()].map(({ name }) => name);
  }

  /** A worker takes part, for the first time or again. */
  open(member: Member): void {
    const { workerId, threads, kernels } = helloOf(member);
    const account = this.#accounts.get(workerId) ?? newAccount(member.name);
    account.threads = threads;
    account.kernels = kernels;
    this.#accounts.set(workerId, account);
    this.#open.set(workerId, member);
    this.#limit();
  }

  /** Adds what a worker did in a step that is committed. */
  credit(member: Member, did: Pick<Account, 'shards' | 'gradients' | 'seconds'>): void {
    const account = this.#accounts.get(helloOf(member).workerId) ?? this.#others;
    if (account === null) throw new Error(`${member.name} has no account before it takes part`);
    account.shards += did.shards;
    account.gradients += did.gradients;
    account.seconds += did.seconds;
  }

  /** A member is gone; what went over its connection stays in the account, if it ever took part. */
  close(member: Member): void {
    const workerId = member.hello?.workerId ?? '';
    const account = this.#accounts.get(workerId);
    if (account === undefined || this.#open.get(workerId) !== member) return;
    this.#open.delete(workerId);
    addConnection(account, member);
  }

  /** All of them, in the order in which the workers came, with what has gone over connections so far. */
  all(): Account[] {
    const now = [...this.#accounts].map(([workerId, account]) => {
      const copy = { ...account };
      const member = this.#open.get(workerId);
      if (member !== undefined) addConnection(copy, member);
      return copy;
    });
    return this.#others === null ? now : [{ ...this.#others }, ...now];
  }

  /** Puts the account of whoever went first to those that are not kept apart. */
  #limit(): void {
    if (this.#accounts.size <= mostAccounts) return;
    const gone = [...this.#accounts].find(([workerId]) => !this.#open.has(workerId));
    if (gone === undefined) return; // all of them are here
    const [workerId, account] = gone;
    this.#accounts.delete(workerId);
    this.#others ??= newAccount('earlier workers');
    const { threads, shards, seconds, steps, gradients, traffic } = account;
    this.#others.threads = Math.max(this.#others.threads, threads);
    this.#others.shards += shards;
    this.#others.seconds += seconds;
    this.#others.steps += steps;
    this.#others.gradients += gradients;
    this.#others.traffic = sumOf(this.#others.traffic, traffic);
    this.#ended(workerId);
  }
}

function newAccount(name: string): Account {
  return { name, threads: 0, kernels: '', shards: 0, seconds: 0, steps: 0, gradients: 0, traffic: null };
}

function addConnection(account: Account, { totals, link }: Member): void {
  account.steps += totals;
  account.traffic = sumOf(account.traffic, link.traffic ?? null);
}

/** A new sum of what went over connections; null for none. */
function sumOf(past: Traffic | null, more: Traffic | null): Traffic | null {
  if (more === null) return past;
  const sum = new Traffic();
  if (past !== null) sum.add(past);
  sum.add(more);
  return sum;
}

function helloOf({ hello, name }: Member): Hello {
  if (hello === null) throw new Error(`${name} takes part before its hello`);
  return hello;
}
