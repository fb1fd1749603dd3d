/**
 * Opens the windows of ranks of one machine: a file of memory, which every rank has in its own. It has no name in a file
 * system, so it is gone with the last rank. Linux alone has that; elsewhere, and among machines, MPI sends.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readlinkSync } from 'node:fs';
import type { SharedMemory } from '../../shared/kernels/webassembly.ts';
import type { RankPlace } from '../../shared/model/rank-plan.ts';
import { loadKoffi, mpiError } from './library.ts';
import type { World } from './world.ts';

/** The file that is this memory, as rank 0 has it open: where others find it, and that it is this one. */
interface CommonFile {
  readonly pid: number;
  readonly descriptor: number;
  readonly name: string;
}

const readAndWrite = 0x1 | 0x2; // PROT_READ | PROT_WRITE
const sharedInPlace = 0x01 | 0x10; // MAP_SHARED | MAP_FIXED
const closedOnExec = 1; // MFD_CLOEXEC

/**
 * Puts what ranks have in common, replicas and windows, in the place that was planned for it: the replicas of rank 0 become
 * those of all, windows are empty. All ranks must call it, and nobody else may use the memory meanwhile.
 * Returns whether it is so now, for all ranks or for none.
 * @param isWanted by this rank
 * @throws LockstepError (MPI) where ranks do not come, or this process may not have so much memory
 */
export async function openWindows(
  world: Pick<World, 'rank' | 'size' | 'allGather'>,
  memory: SharedMemory,
  place: RankPlace,
  isWanted: boolean,
  deadlineMs: number,
): Promise<boolean> {
  const isPossible = isWanted && place.windows !== null && world.size > 1 && process.platform === 'linux';
  const made = isPossible && world.rank === 0 ? makeFile(place) : null;
  let descriptor = made?.descriptor ?? null;
  try {
    const told = await world.allGather(encode(made), 'where the windows are', deadlineMs);
    if (isPossible) descriptor ??= findFile(told[0]);
    const answer = Uint8Array.of(descriptor === null ? 0 : 1);
    const answers = await world.allGather(answer, 'who can open the windows', deadlineMs);
    if (descriptor === null || answers.some(([can]) => can !== 1)) return false;
    mapFile(memory, place, descriptor);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
  // Nobody begins an exchange before all see what they are to see.
  await world.allGather(new Uint8Array(1), 'that the windows are open', deadlineMs);
  return true;
}

/** Null where this system has no such memory. */
function makeFile({ common }: RankPlace): CommonFile | null {
  const name = `lockstep-${randomUUID()}`;
  let descriptor: number;
  try {
    const create = loadKoffi().load(null).func('memfd_create', 'int', ['str', 'uint']);
    descriptor = create(name, closedOnExec);
  } catch {
    return null; // a C library from before 2018
  }
  if (descriptor < 0) return null;
  try {
    ftruncateSync(
      descriptor,
      common.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    return { pid: process.pid, descriptor, name };
  } catch {
    closeSync(descriptor);
    return null;
  }
}

/** Opens the file that rank 0 tells of; null where it is on another machine, or not to be seen. */
function findFile(told: Uint8Array): number | null {
  const file = decode(told);
  if (file === null) return null;
  const path = `/proc/${file.pid}/fd/${file.descriptor}`;
  try {
    // Another machine, or container, has something else there.
    return readlinkSync(path) === `/memfd:${file.name} (deleted)` ? openSync(path, 'r+') : null;
  } catch {
    return null;
  }
}

/** Takes pages of the memory out from under it and puts those of the file there. */
function mapFile(memory: SharedMemory, { ranks, common }: RankPlace, descriptor: number): void {
  const koffi = loadKoffi();
  const parameters = ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'];
  const map = koffi.load(null).func('mmap', 'intptr_t', parameters);
  const base = Number(koffi.address(new Uint8Array(memory.buffer)));
  const [{ at, bytes }] = common;
  const replicas = new Uint8Array(memory.buffer, at, bytes);
  const content = replicas.slice();
  let offset = 0;
  for (const piece of common) {
    const address = base + piece.at;
    if (map(address, piece.bytes, readAndWrite, sharedInPlace, descriptor, offset) !== address) {
      throw mpiError(
        `rank ${ranks.rank}: this process may not have ${piece.bytes} bytes of shared memory; go on with --no-shared-memory`,
      );
    }
    offset += piece.bytes;
  }
  // They are the same on all ranks.
  if (ranks.rank === 0) replicas.set(content);
}

function encode(file: CommonFile | null): Uint8Array {
  return Buffer.from(file === null ? '' : JSON.stringify(file), 'utf8');
}

function decode(told: Uint8Array): CommonFile | null {
  if (told.length === 0) return null;
  const { pid, descriptor, name } = JSON.parse(Buffer.from(told).toString('utf8'));
  const isFile = Number.isInteger(pid) && Number.isInteger(descriptor) && typeof name === 'string';
  return isFile ? { pid, descriptor, name } : null;
}
