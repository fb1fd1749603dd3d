/** What a benchmark found, as `--json` prints it; scripts rely on its fields. */
import type { PhaseSeconds } from '../../worker/profile.ts';
import { type Flops, totalOf } from '../flops.ts';
import { median, spread } from './interleave.ts';
import type { MemoryLimits } from './limits.ts';
import type { MissingPeer } from './peers/peers.ts';
import type { ProductSpeeds } from './products.ts';
import type { WorkersStep } from './workers-step.ts';

export interface BenchResult {
  readonly version: string;
  readonly machine: Machine;
  readonly rounds: number;
  /** Of a turn. */
  readonly seconds: number;
  readonly limits: Limits;
  readonly groups: readonly GroupResult[];
  /** Peers that are not here, and how they would be. */
  readonly missing: readonly MissingPeer[];
}

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
}

export interface Limits {
  /** The best GFLOP/s of one thread, by set of kernels. */
  readonly peaks: Readonly<Record<string, number>>;
  /** 10⁹ bytes a second. */
  readonly memory: MemoryLimits;
}

/** What was measured in the same rounds. */
export interface GroupResult {
  readonly recipe: string;
  readonly model: string;
  readonly batchSize: number;
  /** Floating-point operations of the dense products, a sample. */
  readonly flops: Flops;
  readonly sides: readonly SideResult[];
  readonly products: readonly ProductResult[];
  readonly peers: readonly PeerResult[];
  readonly failed: readonly FailedPeer[];
}

/** Samples a second of every round, their median, and how far they lie from it. */
export interface Speeds {
  readonly samplesPerSecond: number;
  readonly spread: number;
  readonly readings: readonly number[];
}

export interface SideResult extends Speeds {
  readonly kernels: string;
  /** Worker processes, or ranks of MPI; 0 and 0 for the threads of one process. */
  readonly workers: number;
  readonly ranks: number;
  /** Of the process, or of each worker or rank. */
  readonly threads: number;
  readonly gflops: number;
  /** As a share of the peaks of so many threads, or of all cores if they are fewer: two on a core have but one peak. */
  readonly ofPeak: number;
  /** Over one thread of this process with the same kernels. */
  readonly speedUp: number | null;
  /** Over as many threads of one process with the same kernels. */
  readonly overThreads: number | null;
  /** Of a step, averaged over threads; null if it was not looked at. */
  readonly phases: PhaseSeconds | null;
  /** With workers: where the time of a step goes, and what travels. */
  readonly step: WorkersStep | null;
}

export interface ProductResult extends ProductSpeeds {
  readonly layer: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernels: string;
  /** The peak that they are to be compared with. */
  readonly peak: number;
}

/** A group before it is compared with peaks, which rise as long as something is measured. */
export interface MeasuredGroup extends Omit<GroupResult, 'sides' | 'products'> {
  readonly sides: readonly MeasuredSide[];
  readonly products: readonly MeasuredProduct[];
}

export type MeasuredSide = Omit<SideResult, 'ofPeak'>;
export type MeasuredProduct = Omit<ProductResult, 'peak'>;

/** Who a peer is and how it trains. */
export interface PeerFacts {
  readonly name: string;
  readonly version: string;
  /** In words. */
  readonly settings: string;
  /** What keeps it from being as fast here as it could be; null if nothing is known. */
  readonly advice: string | null;
}

export interface PeerResult extends PeerFacts, Speeds {
  /** Ours over theirs. */
  readonly ratios: readonly Ratio[];
}

export interface Ratio {
  readonly kernels: string;
  readonly workers: number;
  readonly ranks: number;
  readonly threads: number;
  readonly ratio: number;
}

/** A peer that is here and was not measured. */
export interface FailedPeer {
  readonly name: string;
  readonly reason: string;
}

/** The speeds of some rounds. */
export function speedsOf(readings: readonly number[]): Speeds {
  return { samplesPerSecond: median(readings), spread: spread(readings), readings };
}

/** A side as it was measured. */
export type SideReadings = Pick<
  SideResult,
  'kernels' | 'workers' | 'ranks' | 'threads' | 'readings' | 'phases' | 'step'
>;

/** Works out what the speeds of all sides of a group mean. */
export function sideResults(sides: readonly SideReadings[], flops: Flops): MeasuredSide[] {
  return sides.map((side) => {
    const speeds = speedsOf(side.readings);
    const gflops = (speeds.samplesPerSecond * totalOf(flops)) / 1e9;
    const over = (threads: number) => {
      const other = sides.find(
        (one) => isAlone(one) && one.kernels === side.kernels && one.threads === threads,
      );
      return other === undefined ? null : speeds.samplesPerSecond / median(other.readings);
    };
    return { ...side, ...speeds, gflops, speedUp: over(1), overThreads: over(threadsOf(side)) };
  });
}

/** A group beside these peaks of one thread, on a machine with so many cores. */
export function besidePeaks(group: MeasuredGroup, peaks: Limits['peaks'], cores: number): GroupResult {
  return {
    ...group,
    sides: group.sides.map((side) => ({
      ...side,
      ofPeak: side.gflops / (Math.min(threadsOf(side), cores) * peaks[side.kernels]),
    })),
    products: group.products.map((product) => ({ ...product, peak: peaks[product.kernels] })),
  };
}

type Processes = Pick<SideResult, 'workers' | 'ranks' | 'threads'>;

/** Threads of all processes. */
function threadsOf({ workers, ranks, threads }: Processes): number {
  return Math.max(1, workers, ranks) * threads;
}

/** What a side is made of: this process alone, worker processes, ranks. */
export function kindOf({ workers, ranks }: Omit<Processes, 'threads'>): 'threads' | 'workers' | 'ranks' {
  if (ranks > 0) return 'ranks';
  return workers > 0 ? 'workers' : 'threads';
}

/** A peer beside each set of kernels: with the fewest and the most threads, workers and ranks. */
export function peerResult(
  facts: PeerFacts,
  readings: readonly number[],
  sides: readonly MeasuredSide[],
): PeerResult {
  const theirs = speedsOf(readings);
  const isAtAnEnd = (side: MeasuredSide) => {
    const counts = sides.filter((one) => kindOf(one) === kindOf(side)).map(threadsOf);
    return [Math.min(...counts), Math.max(...counts)].includes(threadsOf(side));
  };
  return {
    ...facts,
    ...theirs,
    ratios: sides.filter(isAtAnEnd).map(({ kernels, workers, ranks, threads, samplesPerSecond }) => ({
      kernels,
      workers,
      ranks,
      threads,
      ratio: samplesPerSecond / theirs.samplesPerSecond,
    })),
  };
}

/** Whether a side is this process alone. */
export function isAlone(side: Omit<Processes, 'threads'>): boolean {
  return kindOf(side) === 'threads';
}
