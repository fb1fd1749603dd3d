/** What Slurm writes shortly: lists of hosts and of how many tasks each has. */

/** The first host of a list like `r[1-2]n[01-03,7],login`: `r1n01`. */
export function firstHost(list: string): string {
  const [first] = /^(?:[^,[\]]|\[[^\]]*\])*/.exec(list) ?? [''];
  return first.replace(/\[([^\],-]*)[^\]]*\]/g, '$1');
}

/**
 * The tasks of one host, from a list like `4(x2),3`: hosts 0 and 1 have 4, host 2 has 3. Null where it says nothing of
 * that host, or is no such list.
 */
export function tasksOfHost(list: string, host: number): number | null {
  let before = 0;
  for (const item of list.split(',')) {
    const [, tasks, times = '1'] = /^(\d{1,9})(?:\(x(\d{1,9})\))?$/.exec(item) ?? [];
    if (tasks === undefined) return null;
    before += Number(times);
    if (host < before) return Number(tasks);
  }
  return null;
}
