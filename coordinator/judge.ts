/** What becomes of a member that does not what it should. */
import type { Overdue } from './distributed-step.ts';
import type { Member } from './member.ts';
import type { Roster } from './roster.ts';

export class Judge {
  readonly #roster: Roster;
  readonly #stepTimeoutMs: number;
  readonly #onConflict: (name: string, reason: string) => void;

  /** @param onConflict told when two workers computed different bits for one node of the tree */
  constructor(roster: Roster, stepTimeoutMs: number, onConflict: (name: string, reason: string) => void) {
    this.#roster = roster;
    this.#stepTimeoutMs = stepTimeoutMs;
    this.#onConflict = onConflict;
  }

  /** They owe something past the deadline, and others wait for them. */
  late(members: readonly Overdue[]): void {
    const ms = this.#stepTimeoutMs;
    this.#roster.late(
      members.map(({ member, what }) => ({
        member,
        reason: `it has owed ${what} for ${ms} ms; others compute it`,
      })),
    );
  }

  /** It sent what it must not send. */
  violated(member: Member, what: string): void {
    this.#roster.throwOut(member, `it sent ${what}`);
  }

  /** It sent NaN or infinity that the step does not have. */
  blamed(member: Member): void {
    this.#roster.throwOut(member, 'it computed NaN or infinity where the step has none');
  }

  /** Its bits are not those that another computed for the same node. */
  conflict(member: Member, what: string): void {
    this.#onConflict(member.name, what);
  }

  /** It sent what nobody wants any more. */
  dropped(): void {
    this.#roster.framesDropped += 1;
  }

  /** It has sent something: if it was late, it gets a new replica and may take part again. */
  heard(member: Member): void {
    if (member.state === 'late') this.#roster.resync(member, 'it was late');
  }

  /** Replicas are the same on every machine, or somebody computes wrongly. */
  compare(member: Member, step: number, digest: string, expected: string | null): void {
    if (expected === null || expected === digest) return;
    this.#roster.outOfStep(member, `its replica before step ${step + 1} is not that of all others`);
  }
}
