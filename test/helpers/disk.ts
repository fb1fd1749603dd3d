/** File operations that are recorded, fail, or wait; and what a disk may hold after a crash at any point of them. */
import * as realFiles from 'node:fs/promises';
import { basename } from 'node:path';
import type { FileOperations, OpenFile } from '../../coordinator/file-operations.ts';

export type DiskOperation =
  | { readonly kind: 'create' | 'sync' | 'unlink'; readonly name: string }
  | { readonly kind: 'write'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'syncFolder' };

/** The real operations in one folder, each noted in the log when it is done. A write takes at most so many bytes. */
export function recorded(log: DiskOperation[], mostBytes = Number.POSITIVE_INFINITY): FileOperations {
  return {
    readdir: (folder) => realFiles.readdir(folder),
    async open(path, flags) {
      const file = await realFiles.open(path, flags);
      const name = basename(path);
      if (flags === 'wx') log.push({ kind: 'create', name });
      return {
        async writev(parts) {
          const bytes = Buffer.concat(parts).subarray(0, mostBytes);
          await file.write(bytes);
          log.push({ kind: 'write', name, bytes });
          return { bytesWritten: bytes.length };
        },
        async sync() {
          await file.sync();
          log.push(flags === 'wx' ? { kind: 'sync', name } : { kind: 'syncFolder' });
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      await realFiles.rename(from, to);
      log.push({ kind: 'rename', name: basename(from), to: basename(to) });
    },
    async unlink(path) {
      await realFiles.unlink(path);
      log.push({ kind: 'unlink', name: basename(path) });
    },
  };
}

/**
 * The real operations, before each of which a hook is called with its number, counted from 1, and what it is; if the hook
 * throws, it fails. A write that fails has written half, a file that fails to close is closed.
 */
export function hooked(
  before: (count: number, what: string) => unknown,
): FileOperations & { count(): number } {
  let count = 0;
  const call = (what: string) => before(++count, what);
  const wrap = (file: realFiles.FileHandle): OpenFile => ({
    async writev(parts) {
      try {
        await call('writev');
      } catch (error) {
        const all = Buffer.concat(parts);
        await file.write(all.subarray(0, all.length / 2));
        throw error;
      }
      return file.writev(parts);
    },
    async sync() {
      await call('sync');
      await file.sync();
    },
    async close() {
      await file.close();
      await call('close');
    },
  });
  return {
    count: () => count,
    async readdir(folder) {
      await call('readdir');
      return realFiles.readdir(folder);
    },
    async open(path, flags) {
      await call('open');
      return wrap(await realFiles.open(path, flags));
    },
    async rename(from, to) {
      await call('rename');
      await realFiles.rename(from, to);
    },
    async unlink(path) {
      await call('unlink');
      await realFiles.unlink(path);
    },
  };
}

export type DiskState = ReadonlyMap<string, Uint8Array>;

/** What of a file is on the disk for certain, and what was written to it. */
interface Inode {
  durable: Uint8Array;
  written: Uint8Array;
}

/**
 * Everything that a folder may hold after a crash behind the first `cut` operations, each state once. Of what was
 * written and not synced nothing may be there, or half, or all, or zeros in its place; of changes of names since the
 * folder was synced any may be done and any undone, without regard to their order.
 */
export function crashStates(before: DiskState, log: readonly DiskOperation[], cut: number): DiskState[] {
  let names = new Map([...before].map(([name, bytes]) => [name, { durable: bytes, written: bytes }]));
  const now = new Map(names);
  let pending: ((names: Map<string, Inode>) => void)[] = [];
  const change = (apply: (names: Map<string, Inode>) => void): void => {
    apply(now);
    pending.push(apply);
  };
  for (const operation of log.slice(0, cut)) {
    if (operation.kind === 'syncFolder') {
      names = new Map(now);
      pending = [];
      continue;
    }
    const { name } = operation;
    if (operation.kind === 'create') {
      const inode: Inode = { durable: new Uint8Array(), written: new Uint8Array() };
      change((names) => names.set(name, inode));
      continue;
    }
    const inode = now.get(name);
    if (inode === undefined) throw new Error(`there is no ${name}`);
    if (operation.kind === 'write') inode.written = Buffer.concat([inode.written, operation.bytes]);
    else if (operation.kind === 'sync') inode.durable = inode.written;
    else if (operation.kind === 'rename') {
      const { to } = operation;
      change((names) => {
        names.delete(name);
        names.set(to, inode);
      });
    } else change((names) => names.delete(name));
  }
  const states = new Map<string, DiskState>();
  for (let chosen = 0; chosen < 2 ** pending.length; chosen++) {
    const there = new Map(names);
    for (const [i, apply] of pending.entries()) if (chosen & (1 << i)) apply(there);
    for (const state of contentsOf(there)) states.set(keyOf(state), state);
  }
  return [...states.values()];
}

function contentsOf(names: ReadonlyMap<string, Inode>): DiskState[] {
  let states: Map<string, Uint8Array>[] = [new Map()];
  for (const [name, { durable, written }] of names) {
    const half = written.subarray(0, durable.length + (written.length - durable.length) / 2);
    const zeros = new Uint8Array(written.length);
    zeros.set(durable);
    const variants = durable.length === written.length ? [written] : [durable, half, written, zeros];
    states = states.flatMap((state) => variants.map((bytes) => new Map(state).set(name, bytes)));
  }
  return states;
}

function keyOf(state: DiskState): string {
  return [...state]
    .map(([name, bytes]) => `${name} ${Buffer.from(bytes).toString('base64')}`)
    .sort()
    .join('\n');
}
