/** The checkpoints of a run in their folder: written durably beside training, pruned, found again. */
import * as realFiles from 'node:fs/promises';
import type { LockstepError } from '../shared/errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { FileOperations } from './file-operations.ts';

/** Where in the run a checkpoint stands: steps since it began, and epochs that are done. */
export interface CheckpointPlace {
  readonly step: number;
  readonly epoch: number;
}

export interface CheckpointsOptions {
  /** This many are kept, at least two. */
  readonly keep: number;
  /** Called with one line whenever a checkpoint cannot be saved; training goes on. */
  readonly alarm: (error: LockstepError) => void;
  readonly files?: FileOperations;
}

export class Checkpoints {
  readonly #folder: string;
  readonly #options: CheckpointsOptions;
  readonly #files: FileOperations;
  #saved: (CheckpointPlace & { readonly path: string }) | null = null;

  private constructor(folder: string, options: CheckpointsOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#files = options.files ?? realFiles;
  }

  /**
   * Opens the folder, making it if it is not there, and clears what a killed process left half written.
   * @throws LockstepError (OUTPUT) when it can be neither made nor read
   */
  static async open(folder: string, options: CheckpointsOptions): Promise<Checkpoints> {
    return new Checkpoints(folder, options);
  }

  /** The newest checkpoint that this store has made durable; null before the first. */
  get saved(): (CheckpointPlace & { readonly path: string }) | null {
    return this.#saved;
  }

  /**
   * Has a checkpoint written, and returns at once. While one is being written the newest of those that come waits, and
   * takes the place of one that waits already.
   * @param parts as `encodeCheckpoint` gives them; nobody may change them any more
   */
  save(_parts: readonly Uint8Array[], _place: CheckpointPlace): void {
    throw new Error(`not yet: ${this.#folder} ${this.#options.keep} ${typeof this.#files}`);
  }

  /** Waits until everything that was to be saved is durable, or has failed. */
  async close(): Promise<void> {}
}

export interface NewestCheckpoint {
  /** The newest valid checkpoint; null if there is none. */
  readonly found: (Checkpoint & { readonly path: string }) | null;
  /** Newer ones that cannot be used, the newest first, each with one line that says why. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

/** Finds the newest valid checkpoint of a folder, which need not be there. */
export function newestCheckpoint(_folder: string): NewestCheckpoint {
  throw new Error('not yet');
}
