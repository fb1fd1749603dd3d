/** The programs here that start ranks of MPI. */
import type { Test } from 'tap';
import { findMpirun } from '../../scripts/ranks/mpirun.ts';

/** The files of the mpiruns of Open MPI and MPICH, as Debian names them, or the only one there is; said aloud where none is. */
export function mpirunsHere(t: Test): string[] {
  const both = ['mpirun.openmpi', 'mpirun.mpich'].flatMap(fileOf);
  const found = both.length > 0 ? both : fileOf('mpirun');
  if (found.length === 0) t.comment('NOT TESTED: there is no mpirun here');
  return found;
}

function fileOf(command: string): string[] {
  try {
    return [findMpirun(command)];
  } catch {
    return [];
  }
}
