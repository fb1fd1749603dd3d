/** Who a process is, for others that ask whether it still lives: numbers of processes are used again. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './durable-file.ts';

export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Where its number means something: this machine since it was started, and the namespace there. */
  readonly place: string;
  /** When it was started, by the machine's own count; null where the system does not say. */
  readonly started: string | null;
}

export function thisProcess(): ProcessIdentity {
  const { pid } = process;
  return { pid, host: hostname(), place: ownPlace(), started: statusOf(pid)?.started ?? null };
}

/** Whether a process lives; null if that cannot be seen from here. */
export function isAlive({ pid, place, started }: ProcessIdentity): boolean | null {
  if (place !== ownPlace()) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  const status = statusOf(pid);
  if (status === null) return true;
  // What is dead and was not waited for by its parent has its number still.
  return !'ZX'.includes(status.state) && (started === null || started === status.started);
}

/** Linux tells of each start of a machine and of each namespace by a name of its own; elsewhere its name has to do. */
function ownPlace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** Fields 3 and 22 of /proc/PID/stat (proc(5)), as far as there are any; the second, in brackets, may hold anything. */
function statusOf(pid: number): { readonly state: string; readonly started: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.length < 20 ? null : { state: fields[0], started: fields[19] };
  } catch {
    return null;
  }
}
