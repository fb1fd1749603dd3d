/** The workers of a fleet as they are now, for whoever shows them. */
import type { WorkerNow, WorkerState } from './live-run.ts';
import type { Member } from './member.ts';
import type { Roster } from './roster.ts';

/** Of workers that are gone, the last so many are shown. */
const mostGone = 32;

/**
 * Those that take part by rank, then those on their way, then those that are gone.
 * @param planned the shards of a whole batch, by the worker's id
 */
export function workersNow(
  roster: Roster,
  planned: ReadonlyMap<string, { readonly lo: number; readonly hi: number }>,
): WorkerNow[] {
  const accounts = roster.accountsById;
  const ready = roster.ready;
  const others = roster.members.filter((member) => member.hello !== null && member.state !== 'ready');
  const here = new Set<string>();
  const present = [...ready, ...others].map((member, i): WorkerNow => {
    const { workerId: id = '', threads = 0, kernels = '' } = member.hello ?? {};
    here.add(id);
    const { shards = 0, seconds = 0 } = accounts.get(id) ?? {};
    const isReady = i < ready.length;
    return {
      id,
      name: member.name,
      address: member.link.address,
      rank: isReady ? i : null,
      threads,
      kernels,
      state: stateOf(member),
      share: (isReady ? planned.get(id) : undefined) ?? null,
      shards,
      seconds,
      delayMs: member.delayMs,
      silentMs: member.silentMs,
    };
  });
  const gone = [...accounts].filter(([id]) => !here.has(id)).slice(-mostGone);
  return [
    ...present,
    ...gone.map(([id, { name, threads, kernels, shards, seconds }]): WorkerNow => {
      const nothing = { address: null, rank: null, share: null, delayMs: null, silentMs: null };
      return { id, name, threads, kernels, shards, seconds, state: 'gone', ...nothing };
    }),
  ];
}

function stateOf({ state }: Member): WorkerState {
  switch (state) {
    case 'greeting':
    case 'preparing':
    case 'syncing':
      return 'joining';
    case 'ready':
      return 'working';
    case 'late':
    case 'behind':
    case 'gone':
      return state;
    default:
      return state satisfies never;
  }
}
