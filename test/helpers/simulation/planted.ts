/** Bugs that are planted into the real code from outside, one at a time, to see that the simulation finds them. */
import { DistributedEvaluation } from '../../../coordinator/distributed-evaluation.ts';
import { DistributedStep } from '../../../coordinator/distributed-step.ts';
import { Member } from '../../../coordinator/member.ts';
import { Merger } from '../../../coordinator/merger.ts';
import { Planner } from '../../../coordinator/planner.ts';
import { Reduction } from '../../../coordinator/reduction.ts';
import { CoordinatorReplica } from '../../../coordinator/replica.ts';
import { Roster } from '../../../coordinator/roster.ts';
import { resetRunningStats } from '../../../shared/model/snapshot.ts';
import type { ToCoordinator, ToWorker } from '../../../shared/wire/messages.ts';
import { Session } from '../../../worker/session.ts';
import { WorkerMemory } from '../../../worker/worker-memory.ts';

export interface PlantedBug {
  readonly name: string;
  /** A failure that it must lead to. */
  readonly foundBy: RegExp;
  /** Up to this seed. */
  readonly seeds: number;
  /** From this seed on, 1 if nothing is said: in some before it a storm of deaths goes on until time is up, for half a minute. */
  readonly from?: number;
  /** Plants it; the function that it returns takes it out. */
  plant(): () => void;
}

/** Puts a method in the place of another; the old one comes along. */
function patch<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  make: (original: T[K]) => T[K],
): () => void {
  const original = prototype[name];
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

/** Values in the order in which they came, by the reduction that took them. */
const arrivals = new WeakMap<Reduction, Float32Array[]>();
/** The last replica that was copied, by who copied it. */
const copies = new WeakMap<CoordinatorReplica, Uint8Array>();

const otherBits = /other weights|another state|other losses|DOUBT/;
const hang = /hang/;

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a sum in arrival order',
    foundBy: otherBits,
    seeds: 30,
    plant: () =>
      patch(
        Reduction.prototype,
        'accept',
        (accept) =>
          function (this: Reduction, node, values) {
            const outcome = accept.call(this, node, values);
            const before = arrivals.get(this) ?? [];
            if (outcome === 'accepted') arrivals.set(this, [...before, values]);
            const { total } = this;
            const came = arrivals.get(this) ?? [];
            if (outcome === 'accepted' && total !== null && came.length > 2) {
              total[0] = came.reduce((sum, partial) => Math.fround(sum + partial[0]), 0);
            }
            return outcome;
          },
      ),
  },
  {
    name: 'siblings merged right with left',
    foundBy: otherBits,
    seeds: 30,
    plant: () =>
      patch(
        Merger.prototype,
        'merge',
        (merge) =>
          function (this: Merger, left, right, node, batch) {
            return merge.call(this, right, left, node, batch);
          },
      ),
  },
  {
    name: 'a duplicate applied',
    foundBy: otherBits,
    seeds: 60,
    plant: () =>
      patch(
        Reduction.prototype,
        'accept',
        (accept) =>
          function (this: Reduction, node, values) {
            const outcome = accept.call(this, node, values);
            const slot = this.valueAt(node);
            if (outcome === 'duplicate' && slot !== null) slot[0] += values[0];
            return outcome;
          },
      ),
  },
  {
    name: 'a replaced connection not fenced',
    foundBy: /a replaced connection goes on/,
    seeds: 120,
    plant: () =>
      patch(
        Member.prototype,
        'drop',
        (drop) =>
          function (this: Member, reason) {
            if (!reason.startsWith('replaced')) drop.call(this, reason);
          },
      ),
  },
  {
    name: 'a missing deadline',
    foundBy: hang,
    seeds: 200,
    plant: () => patch(DistributedStep.prototype, 'expire', () => () => {}),
  },
  {
    name: 'a lost last shard',
    foundBy: hang,
    seeds: 10,
    plant: () =>
      patch(
        Planner.prototype,
        'plan',
        (plan) =>
          function (this: Planner, shardCount) {
            return plan.call(this, shardCount).map(({ member, nodes }) => ({
              member,
              nodes: nodes.filter(({ lo, hi }) => hi < shardCount || hi - lo > 1),
            }));
          },
      ),
  },
  {
    name: 'NaN that costs the run and not its sender',
    foundBy: /WORKERS/,
    seeds: 60,
    plant: () => patch(DistributedStep.prototype, 'rejectNonFinite', () => () => false),
  },
  {
    name: 'an evaluation with NaN believed',
    foundBy: /DIVERGED/,
    seeds: 60,
    plant: () =>
      patch(
        DistributedEvaluation.prototype,
        'evaluation',
        (evaluation) =>
          function (this: DistributedEvaluation, member, frame) {
            const putBack = patch(Float32Array.prototype, 'every', () => () => true);
            evaluation.call(this, member, frame);
            putBack();
          },
      ),
  },
  {
    name: 'a stale replica for who comes late',
    foundBy: otherBits,
    seeds: 60,
    plant: () =>
      patch(
        CoordinatorReplica.prototype,
        'snapshot',
        (snapshot) =>
          function (this: CoordinatorReplica) {
            const copy = copies.get(this) ?? snapshot.call(this);
            copies.set(this, copy);
            return copy;
          },
      ),
  },
  {
    name: 'an assignment to a worker without a replica',
    foundBy: /an assignment to a worker without a replica/,
    seeds: 60,
    plant: () => {
      const original = Object.getOwnPropertyDescriptor(Roster.prototype, 'ready');
      Object.defineProperty(Roster.prototype, 'ready', {
        configurable: true,
        get(this: Roster) {
          return this.following;
        },
      });
      return () => Object.defineProperty(Roster.prototype, 'ready', original ?? {});
    },
  },
  {
    name: 'nodes of the dead not adopted by who comes next',
    foundBy: hang,
    from: 4,
    seeds: 120,
    plant: () => patch(DistributedStep.prototype, 'adoptOrphans', () => () => {}),
  },
  {
    name: 'nodes of the dead given to nobody',
    foundBy: hang,
    seeds: 30,
    plant: () => patch(DistributedStep.prototype, 'lose', () => () => {}),
  },
  {
    name: 'running statistics not begun anew by a worker',
    foundBy: otherBits,
    seeds: 60,
    plant: () =>
      patch(
        WorkerMemory.prototype,
        'enterStep',
        (enterStep) =>
          function (this: WorkerMemory, committed) {
            const { training, memory } = this;
            const { architecture, plan } = training;
            const { flat } = plan.replicas[committed % 2];
            const floats = new Float32Array(memory.buffer, flat, architecture.flatSize);
            const before = floats.slice();
            const step = enterStep.call(this, committed);
            if (committed > 0) floats.set(before);
            else resetRunningStats(architecture, floats);
            return step;
          },
      ),
  },
  {
    name: 'a checksum believed without a look',
    foundBy: otherBits,
    seeds: 60,
    plant: () =>
      patch(
        Member.prototype,
        'message',
        (take) =>
          function (this: Member, message: ToCoordinator) {
            const isChecksum = message.type === 'checksum' && this.sent?.step === message.step;
            take.call(this, isChecksum && this.sent !== null ? { ...message, ...this.sent } : message);
          },
      ),
  },
  {
    name: 'a lost range of an evaluation',
    foundBy: hang,
    from: 4,
    seeds: 60,
    plant: () => patch(DistributedEvaluation.prototype, 'lose', () => () => {}),
  },
  {
    name: 'a late partial of an old step taken for the new one',
    foundBy: /other|thrown out|conflict/,
    seeds: 60,
    plant: () => {
      const newest = new Map<number, number>();
      return patch(
        Member.prototype,
        'frame',
        (take) =>
          function (this: Member, frame) {
            const step = Math.max(frame.step, newest.get(frame.run) ?? 0);
            newest.set(frame.run, step);
            take.call(this, frame.type === 'partial' ? { ...frame, step } : frame);
          },
      );
    },
  },
  {
    name: 'partials of survivors refused when the generation changes',
    foundBy: /hang|computed twice for no reason/,
    seeds: 60,
    plant: () => {
      const assigned = new WeakMap<Member, number>();
      const undo = patch(
        Roster.prototype,
        'arrive',
        (arrive) =>
          function (this: Roster, link) {
            const send = link.send.bind(link);
            const member: Member = arrive.call(this, {
              ...link,
              get hasBulk() {
                return link.hasBulk;
              },
              get bufferedBytes() {
                return link.bufferedBytes;
              },
              send: (message: ToWorker) => {
                if (message.type === 'assign') assigned.set(member, this.generation);
                send(message);
              },
            });
            const frame = member.frame.bind(member);
            member.frame = (one) => {
              if (one.type !== 'partial' || assigned.get(member) === this.generation) frame(one);
            };
            return member;
          },
      );
      return undo;
    },
  },
  {
    name: 'a total taken from another step by a worker',
    foundBy: /./,
    seeds: 120,
    plant: () => {
      const steps = new WeakMap<Session, number>();
      return patch(
        Session.prototype,
        'frame',
        (take) =>
          function (this: Session, frame) {
            const step = Math.max(frame.step, steps.get(this) ?? 0);
            steps.set(this, step);
            take.call(this, frame.type === 'total' ? { ...frame, step } : frame);
          },
      );
    },
  },
  {
    name: 'a shard in the account of two workers',
    foundBy: /shards in the account/,
    seeds: 10,
    plant: () =>
      patch(
        Roster.prototype,
        'credit',
        (credit) =>
          function (this: Roster, member, did) {
            credit.call(this, member, { ...did, shards: did.shards + 1 });
          },
      ),
  },
  {
    name: 'a worker that nobody sends home',
    foundBy: /timers|connections|after the end/,
    seeds: 10,
    plant: () => patch(Member.prototype, 'dismiss', () => () => {}),
  },
];
