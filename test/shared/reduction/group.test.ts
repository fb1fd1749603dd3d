/** When a group of threads meets. */
import t from 'tap';
import { LocalGroup } from '../../../shared/reduction/group.ts';

t.test('who has done its share waits for the others', (t) => {
  const events: string[] = [];
  const group = new LocalGroup(() => events.push('all met'));
  group.together(() => events.push('done'));
  t.same(events, ['done', 'all met']);
  t.end();
});
