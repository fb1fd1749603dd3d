/**
 * Holds a run's folder for one process. Whoever wants it puts a claim of its own there, then looks at the claims of
 * others: if one of them lives, it withdraws. A claim's name is never used again, so what is dead can be taken away by
 * anybody, and two that come at the same moment can both withdraw but never both stay.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { shownPath } from '../shared/data/regular-file.ts';
import { type LockstepError, oneLine, usageError } from '../shared/errors.ts';
import { writeDurably } from './durable-file.ts';
import { isAlive, type ProcessIdentity, thisProcess } from './process-identity.ts';

interface Claim extends ProcessIdentity {
  readonly since: string;
}

/** Whether a file of this name is a claim. */
export function isClaim(name: string): boolean {
  return /^lock-\d+-[0-9a-f]{8}\.json$/.test(name);
}

/** A claim shows this often that its process lives, for those who cannot see it: on another machine, in a container. */
const touchMs = 4_000;
/** They take a claim for dead that shows nothing for so long, by their own clock. */
const silenceMs = 15_000;

export class RunLock {
  readonly #folder: string;
  readonly #name: string;
  readonly #timer: NodeJS.Timeout;
  readonly #leave = () => this.release();

  private constructor(folder: string, identity: ProcessIdentity) {
    this.#folder = folder;
    this.#name = `lock-${identity.pid}-${randomBytes(4).toString('hex')}.json`;
    const claim: Claim = { ...identity, since: new Date().toISOString() };
    writeDurably(this.#path, [`${JSON.stringify(claim)}\n`]);
    this.#timer = setInterval(() => this.#touch(), touchMs).unref();
    process.once('exit', this.#leave);
  }

  /**
   * Takes a folder, which is there.
   * @param label what the folder was given as, for messages
   * @param identity of this process; tests give others
   * @throws LockstepError (USAGE) when another process has it, (OUTPUT) when nothing can be written there
   */
  static async take(
    folder: string,
    label: string,
    { identity = thisProcess(), silentMs = silenceMs } = {},
  ): Promise<RunLock> {
    const lock = new RunLock(folder, identity);
    try {
      for (const name of lock.#others()) {
        const claim = readClaim(join(folder, name));
        const lives = (claim && isAlive(claim)) ?? (await showsLife(join(folder, name), silentMs));
        if (lives) throw inUse(folder, label, claim);
        rmSync(join(folder, name), { force: true });
      }
      return lock;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** True if another process found this one dead, which may have been frozen, and took the folder; it may be done with it. */
  get isLost(): boolean {
    // A folder that was cleared is nobody else's.
    return !existsSync(this.#path) && (attempt(() => readdirSync(this.#folder)) ?? []).length > 0;
  }

  release(): void {
    clearInterval(this.#timer);
    process.off('exit', this.#leave);
    // Nobody can be told any more, and a claim that stays is a dead one.
    attempt(() => rmSync(this.#path, { force: true }));
  }

  get #path(): string {
    return join(this.#folder, this.#name);
  }

  #others(): string[] {
    const names = attempt(() => readdirSync(this.#folder)) ?? [];
    return names.filter((name) => isClaim(name) && name !== this.#name);
  }

  #touch(): void {
    const now = new Date();
    attempt(() => utimesSync(this.#path, now, now));
  }
}

/** A claim is there whole or not at all; one that is no claim of ours is null, and has to show that it lives. */
function readClaim(path: string): Claim | null {
  const claim = attempt(() => JSON.parse(readFileSync(path, 'utf8')) as Partial<Claim> | null);
  const { pid, host, place, started, since } = claim ?? {};
  const isWhole = Number.isSafeInteger(pid) && [host, place, since].every((text) => typeof text === 'string');
  return isWhole ? ({ pid, host, place, started: started ?? null, since } as Claim) : null;
}

/** Whether a claim is touched or taken back while it is watched. */
async function showsLife(path: string, silentMs: number): Promise<boolean> {
  const touched = () => attempt(() => statSync(path).mtimeMs);
  const before = touched();
  for (let waitedMs = 0; waitedMs < silentMs; waitedMs += silentMs / 15) {
    await setTimeout(silentMs / 15);
    const now = touched();
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

function inUse(folder: string, label: string, claim: Claim | null): LockstepError {
  const whose =
    claim === null
      ? 'another process'
      : `process ${claim.pid} on ${oneLine(claim.host)} since ${oneLine(claim.since)}`;
  return usageError(
    `${label}: ${shownPath(folder)} is in use by ${whose}, expected a run that nobody trains; ` +
      'stop that process, or wait for its end',
  );
}

/** What a file system does not do is not done; undefined then. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
