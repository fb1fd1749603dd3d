/** How ranks are started on this machine, whichever MPI `mpirun` belongs to. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { quoted, usageError } from '../../shared/errors.ts';

/**
 * The file of a command.
 * @param path folders, as PATH has them
 * @throws LockstepError (USAGE) where there is none, with what to install
 */
export function findMpirun(command: string, path = process.env.PATH ?? ''): string {
  const files = command.includes('/') ? [command] : path.split(delimiter).map((one) => join(one, command));
  const file = files.find(isProgram);
  if (file !== undefined) return file;
  throw usageError(
    `--mpi: got no program ${quoted(command)}${command.includes('/') ? '' : ' in PATH'}, expected one that starts ranks; ` +
      'install Open MPI (apt install openmpi-bin) or MPICH (apt install mpich), or name it with --mpirun',
  );
}

/**
 * Variables for a job whose ranks are all on this machine: more ranks than cores are allowed, each may run on any core, and
 * root may start them, as in a container. Open MPI 4 reads those with OMPI, 5 those with PRTE; MPICH needs none of them.
 * Open MPI 4 writes what it knows of the machine to a hole in its memory which sometimes is its own stack, and crashes (seen in
 * `hwloc_shmem_topology_write`); it is told to look for none.
 */
export const jobEnvironment: Readonly<Record<string, string>> = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  OMPI_MCA_rtc_hwloc_vmhole: 'none',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
};

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
