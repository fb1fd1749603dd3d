/** Who gets which part of a step: the plan of planning.ts, for the members that are there. */
import { coveringNodes, type TreeNode } from '../shared/reduction/tree.ts';
import type { Clock } from '../shared/wire/link.ts';
import type { Member } from './member.ts';
import { type Assignment, type PlannedWorker, planSpans, speedsOf } from './planning.ts';
import type { Roster } from './roster.ts';
import { SpeedMeter } from './speed-meter.ts';

/** What one more partial costs its sender; a guess that holds on a local network. */
const nodeSeconds = 0.0005;
/** Plans are looked at again this often, and at every change of who is there. */
const replanMs = 500;

export class Planner {
  readonly #clock: Clock;
  readonly #roster: Roster;
  /** By the number of shards, and what it was made for. */
  readonly #plans = new Map<number, readonly Assignment[]>();
  readonly #meter = new SpeedMeter();
  #step = 0;
  #generation = -1;
  #plannedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, roster: Roster) {
    this.#clock = clock;
    this.#roster = roster;
  }

  /** Takes what a member computed in a step that is committed. */
  observe(member: Member, step: number, shards: number, seconds: number): void {
    this.#step = step;
    this.#meter.observe(idOf(member), step, shards, seconds);
  }

  /** What a worker did says nothing any more about how fast it is. */
  forget(workerId: string): void {
    this.#meter.forget(workerId);
  }

  /** Those who take part, with their speed in shards per second. */
  ready(): { member: Member; speed: number }[] {
    const members = this.#roster.ready;
    const speeds = speedsOf(members.map((member) => this.#measured(member)));
    return members.map((member, i) => ({ member, speed: speeds[i] }));
  }

  /** The nodes of a step of so many shards, by member. */
  plan(shardCount: number): { readonly member: Member; readonly nodes: readonly TreeNode[] }[] {
    const members = this.#roster.ready;
    return this.#spans(shardCount, members).map(({ lo, hi }, i) => ({
      member: members[i],
      nodes: lo === hi ? [] : coveringNodes(lo, hi, shardCount),
    }));
  }

  /** The shards of a step of so many that members were given last, by the worker's id; none before the first step. */
  planned(shardCount: number): ReadonlyMap<string, { readonly lo: number; readonly hi: number }> {
    const plan = this.#plans.get(shardCount) ?? [];
    return new Map(plan.map(({ workerId, lo, hi }) => [workerId, { lo, hi }]));
  }

  #spans(shardCount: number, members: readonly Member[]): readonly Assignment[] {
    const nowMs = this.#clock.nowMs();
    const { generation } = this.#roster;
    if (generation !== this.#generation) this.#plans.clear();
    const isDue = nowMs - this.#plannedMs >= replanMs;
    const previous = this.#plans.get(shardCount);
    if (previous !== undefined && !isDue) return previous;
    const plan = planSpans({
      shardCount,
      workers: members.map((member) => this.#measured(member)),
      nodeSeconds,
      previous,
    });
    this.#plans.set(shardCount, plan);
    this.#generation = generation;
    this.#plannedMs = nowMs;
    return plan;
  }

  #measured(member: Member): PlannedWorker {
    const workerId = idOf(member);
    const threads = member.hello?.threads ?? 1;
    return { workerId, threads, shardsPerSecond: this.#meter.shardsPerSecond(workerId, this.#step) };
  }
}

function idOf({ hello }: Member): string {
  if (hello === null) throw new Error('a member takes part before its hello');
  return hello.workerId;
}
