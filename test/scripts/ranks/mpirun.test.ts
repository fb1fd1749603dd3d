/** Where mpirun is looked for. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { findMpirun } from '../../../scripts/ranks/mpirun.ts';
import { writeFakeMpirun } from '../../helpers/fake-mpirun.ts';
import { hasSignals } from '../../helpers/platform.ts';

t.test('it is the first in PATH that can be run, or the file itself', (t) => {
  if (hasSignals(t)) {
    const folder = t.testdir({ other: {} });
    const file = writeFakeMpirun(folder);
    writeFileSync(join(folder, 'other', basename(file)), 'no program');
    t.equal(findMpirun(basename(file), [join(folder, 'other'), folder].join(':')), file);
    t.equal(findMpirun(file, ''), file);
  }
  t.end();
});

t.test('where there is none, what to install is said', (t) => {
  const missing = {
    code: 'USAGE',
    message: /no program "mpirun" in PATH.*apt install openmpi-bin.*apt install mpich/,
  };
  t.throws(() => findMpirun('mpirun', t.testdir()), missing);
  t.throws(() => findMpirun('/no/mpirun'), { code: 'USAGE', message: /no program "\/no\/mpirun", expected/ });
  t.end();
});
