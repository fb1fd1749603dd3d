/** What a worker of a benchmark is told when it is started. */
import type { KernelSet } from '../../shared/kernels/load.ts';

export interface WorkerJob {
  readonly url: string;
  readonly name: string;
  readonly kernels: KernelSet;
}
