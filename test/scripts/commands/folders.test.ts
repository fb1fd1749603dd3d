/** Where certificates and data are kept. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { cacheFolder, stateFolder } from '../../../scripts/commands/folders.ts';

t.test('the XDG folders, or their defaults; a relative one does not count', (t) => {
  t.equal(stateFolder({ XDG_STATE_HOME: '/s' }), join('/s', 'lockstep'));
  t.equal(cacheFolder({ XDG_CACHE_HOME: '/c' }), join('/c', 'lockstep'));
  t.equal(stateFolder({}), join(homedir(), '.local', 'state', 'lockstep'));
  t.equal(cacheFolder({ XDG_CACHE_HOME: '' }), join(homedir(), '.cache', 'lockstep'));
  t.equal(cacheFolder({ XDG_CACHE_HOME: 'here' }), join(homedir(), '.cache', 'lockstep'));
  t.end();
});
