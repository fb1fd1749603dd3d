import t from 'tap';
import { FleetProfile } from '../../coordinator/fleet-profile.ts';

t.test('the time of each phase is added up, and what was done comes back', (t) => {
  let nowMs = 0;
  const profile = new FleetProfile(() => nowMs);
  const take = (ms: number) => () => {
    nowMs += ms;
    return ms;
  };
  t.equal(profile.time('merging', take(500)), 500);
  profile.time('sending', take(250));
  take(4000)();
  profile.time('merging', take(1000));
  t.same(profile.seconds, { merging: 1.5, sending: 0.25, update: 0 });
  t.end();
});
