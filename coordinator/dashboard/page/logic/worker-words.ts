/** What is said of a worker. */
import type { WorkerPoint } from '../../feed.ts';

/** Silent for longer, a worker is marked. */
export const staleMs = 3000;

export type Mark = 'good' | 'new' | 'warning' | 'bad';

/** A worker's state in a word, and how serious it is. */
export function stateOf({ state, silentMs }: Pick<WorkerPoint, 'state' | 'silentMs'>): {
  word: string;
  mark: Mark;
} {
  switch (state) {
    case 'gone':
      return { word: 'gone', mark: 'bad' };
    case 'late':
      return { word: 'late', mark: 'warning' };
    case 'behind':
      return { word: 'behind', mark: 'warning' };
    case 'joining':
    case 'working':
      if (silentMs !== null && silentMs > staleMs) return { word: 'silent', mark: 'warning' };
      return state === 'joining' ? { word: 'joining', mark: 'new' } : { word: 'working', mark: 'good' };
    default:
      return state satisfies never;
  }
}
