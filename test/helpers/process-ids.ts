/** Processes of this machine, by their ids. */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { hasFile } from './platform.ts';

/** Whether the ids of children can be told here; said aloud where not. */
export function showsChildren(t: Test): boolean {
  return hasFile(t, '/proc/self/task');
}

/** Waits until a process has started so many, from its first thread; returns the ids of those there are after 20 s. */
export async function childrenWhen(pid: number, count: number): Promise<number[]> {
  const startMs = performance.now();
  for (;;) {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const children = text === '' ? [] : text.split(' ').map(Number);
    if (children.length >= count || performance.now() - startMs > 20_000) return children;
    await setTimeout(20);
  }
}

/** Waits until each of some processes leads a group of its own, as it does soon after its start; returns their groups. */
export async function groupsOf(pids: readonly number[]): Promise<number[]> {
  const startMs = performance.now();
  for (;;) {
    const groups = pids.map(groupOf);
    if (groups.every((group, i) => group === pids[i]) || performance.now() - startMs > 20_000) return groups;
    await setTimeout(20);
  }
}

/** Id of the group that a process belongs to. */
function groupOf(pid: number): number {
  // Its name, in parentheses, may hold anything; the group is the third word after it.
  const words = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return Number(words[2]);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until none of them is there any more; returns those that still are after 10 s. */
export async function survivorsOf(pids: readonly number[]): Promise<number[]> {
  const startMs = performance.now();
  for (;;) {
    const alive = pids.filter(isAlive);
    if (alive.length === 0 || performance.now() - startMs > 10_000) return alive;
    await setTimeout(20);
  }
}
