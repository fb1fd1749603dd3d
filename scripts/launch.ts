/** Who this process is among those that a launcher started: read from the environment that it leaves. */

export type Launcher = 'Open MPI' | 'MPICH' | 'Slurm' | 'torchrun' | 'Kubernetes';

export interface Launch {
  readonly launcher: Launcher;
  /** The rule that won, as it is printed: `OMPI_COMM_WORLD_RANK=2, OMPI_COMM_WORLD_SIZE=4`. */
  readonly rule: string;
  readonly rank: number;
  readonly size: number;
  /** Rank among those of this machine, and how many they are; null where the launcher does not say. */
  readonly localRank: number | null;
  readonly localSize: number | null;
  /** Where rank 0 can be reached; null where the launcher does not say. */
  readonly address: { readonly host: string; readonly port: number | null } | null;
}
