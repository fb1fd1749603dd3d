/**
 * Whether workers compute with the parameters that they should have. Every update gives a checksum of what it wrote;
 * what a worker sends carries that of its own last update. So a bit that flips in its memory shows with the next thing
 * that it sends, and at the latest with the evaluation that ends an epoch.
 */
import type { Frame } from '../shared/wire/frame.ts';
import type { Member } from './member.ts';
import type { CoordinatorReplica } from './replica.ts';
import type { Roster } from './roster.ts';

export class Proofs {
  readonly #replica: Pick<CoordinatorReplica, 'committed' | 'updateChecksum'>;
  readonly #roster: Pick<Roster, 'outOfStep'>;
  readonly #doubted: (reason: string) => void;
  /** Whose gradients are in the last update. */
  #contributors: ReadonlySet<Member> = new Set();

  /** @param doubted told when the last step was computed with wrong parameters by somebody */
  constructor(
    replica: Pick<CoordinatorReplica, 'committed' | 'updateChecksum'>,
    roster: Pick<Roster, 'outOfStep'>,
    doubted: (reason: string) => void,
  ) {
    this.#replica = replica;
    this.#roster = roster;
    this.#doubted = doubted;
  }

  /** Notes who took part in the step that was just committed. */
  committed(contributors: Iterable<Member>): void {
    this.#contributors = new Set(contributors);
  }

  /** Returns false for a frame that was computed with another replica than ours; its sender is out of step then. */
  holds(member: Member, { step, proof }: Pick<Frame, 'step' | 'proof'>): boolean {
    const { committed, updateChecksum } = this.#replica;
    if (proof === undefined || step !== committed || proof === updateChecksum) return true;
    const hex = (checksum: bigint) => checksum.toString(16).padStart(16, '0');
    const reason =
      `after step ${step} its parameters have the checksum ${hex(proof)}, expected ${hex(updateChecksum)}: ` +
      'a bit of its memory changed, or its processor is broken';
    if (member.state === 'ready') this.#roster.outOfStep(member, reason);
    if (this.#contributors.has(member)) {
      this.#doubted(
        `worker ${member.name}: ${reason}; step ${step} is made of what it sent, so the run ends there. ` +
          'Go on from a checkpoint before it with --resume, without this worker',
      );
    }
    return false;
  }
}
