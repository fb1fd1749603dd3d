/** Others as sides of a group: started on a task of their own files, compared with ours, and closed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { DatasetSource } from '../../shared/data/dataset.ts';
import { LockstepError } from '../../shared/errors.ts';
import type { LoadedKernels } from '../../shared/kernels/load.ts';
import type { Draft, Label } from '../../shared/recipe/resolve.ts';
import type { Reading, Side } from './interleave.ts';
import { type PeerTask, peerObstacle, unwritableTask, writePeerTask } from './peer-job.ts';
import { Peer, type PeerLaunch } from './peers/peer.ts';
import type { FailedPeer, PeerFacts } from './results.ts';

export interface PeersOptions {
  readonly launches: readonly PeerLaunch[];
  readonly draft: Draft;
  readonly source: DatasetSource;
  readonly kernels: LoadedKernels;
  readonly label: Label;
  /** Called before one is started; may throw to end it all. */
  readonly onStart: (title: string) => void;
}

/** Binary32 with other orders of sums is closer by far; another network, other data or other values are not. */
const lossTolerance = 1e-4;
/** Several processes normalise each part of a batch by its own moments. */
const localTolerance = 1e-2;
/** Threads of BLAS libraries spin for about 25 ms before they sleep; the next side shall not feel them. */
const restMs = 50;

export interface PeerSide extends Side {
  readonly facts: PeerFacts;
}

export class PeerSides {
  readonly sides: PeerSide[] = [];
  /** Those that could not be started, or compute something else. */
  readonly failed: FailedPeer[] = [];
  /** Removes the files, once there are some. */
  #remove = () => {};

  private constructor() {}

  /**
   * Starts all that can be started; nothing is left if this throws, otherwise the caller closes them. Without any to
   * start, nothing is written.
   * @throws LockstepError (USAGE, DATA, OUTPUT), or what `onStart` throws
   */
  static async start({ launches, onStart, ...options }: PeersOptions): Promise<PeerSides> {
    const peers = new PeerSides();
    if (launches.length === 0) return peers;
    const obstacle = peerObstacle(options.draft);
    if (obstacle !== null) {
      const reason = `others are not told how to train ${obstacle}`;
      peers.failed.push(...launches.map(({ title }) => ({ name: title, reason })));
      return peers;
    }
    try {
      const task = await writePeerTask(options.draft, { ...options, folder: peers.#makeFolder() });
      for (const launch of launches) {
        onStart(launch.title);
        await peers.#start(launch, task);
      }
      return peers;
    } catch (error) {
      await peers.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.sides.map((side) => side.close()));
    process.off('exit', this.#remove);
    this.#remove();
  }

  #makeFolder(): string {
    const parent = tmpdir();
    try {
      const folder = mkdtempSync(join(parent, 'lockstep-bench-'));
      this.#remove = () => rmSync(folder, { recursive: true, force: true });
      // The second Ctrl-C leaves no time for anything else.
      process.once('exit', this.#remove);
      return folder;
    } catch (error) {
      throw unwritableTask(parent, error);
    }
  }

  async #start(launch: PeerLaunch, { job, firstLoss }: PeerTask): Promise<void> {
    try {
      const peer = await Peer.start(launch, job);
      const theirs = peer.ready.firstLoss;
      const tolerance = launch.settings.processes > 1 ? localTolerance : lossTolerance;
      if (Math.abs(theirs - firstLoss) <= tolerance * firstLoss) {
        this.sides.push(sideOf(peer));
        return;
      }
      await peer.close();
      const reason = `computes something else: its first loss is ${theirs}, ours ${firstLoss}`;
      this.failed.push({ name: launch.title, reason });
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.failed.push({ name: launch.title, reason: error.message });
    }
  }
}

function sideOf(peer: Peer): PeerSide {
  const { version, settings, advice } = peer.ready;
  return {
    facts: { name: peer.title, version, settings, advice },
    run: async (seconds): Promise<Reading> => {
      const reading = await peer.run(seconds);
      await setTimeout(restMs);
      return reading;
    },
    close: () => peer.close(),
  };
}
