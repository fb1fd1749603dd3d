/** Members as a step sees them: each with a name, a link that remembers, and nobody behind it. */
import { Member } from '../../coordinator/member.ts';
import { RecordingLink, stillClock } from './recording-link.ts';
import { helloOf } from './workers.ts';

export interface FakeMember {
  readonly member: Member;
  readonly link: RecordingLink;
}

/** A member that has the replica and takes part. */
export function readyMember(i: number): FakeMember {
  const link = new RecordingLink(`10.0.0.${i}:5000`);
  link.hasBulk = true;
  const member = new Member(link, stillClock, {
    hello: () => ({ refusal: 'nobody asks' }),
    data: () => [],
    join: () => {},
    ready: () => {},
    partial: () => {},
    evaluation: () => {},
    checksum: () => {},
    timeline: () => {},
    gone: () => {},
    dropped: () => {},
  });
  member.hello = helloOf(i, 1);
  member.name = `worker ${i}`;
  member.state = 'ready';
  return { member, link };
}
