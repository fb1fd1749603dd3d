/** `lockstep worker --trace FILE`: how the threads of this worker spend their steps. */
import { RunTrace, traceRate } from '../../coordinator/run-trace.ts';
import { checkTracePlace } from '../../coordinator/trace-place.ts';
import type { OwnWatch } from '../../worker/step-watch.ts';
import type { WorkerEvent } from '../../worker/worker.ts';
import type { FlagValues } from './flag-values.ts';
import { showError } from './screen.ts';

export interface WorkerTrace {
  readonly watch: OwnWatch;
  readonly failed: boolean;
  event(event: WorkerEvent): void;
  close(): void;
}

/** What happens too often to be an event of a trace. */
const frequent: readonly WorkerEvent['kind'][] = ['computed', 'progress'];

/** Opens the trace that is asked for, or returns null. @throws LockstepError (OUTPUT) */
export function openTrace(flags: FlagValues, name: string): WorkerTrace | null {
  const path = flags.text('trace');
  if (path === undefined) return null;
  checkTracePlace(path);
  const trace = new RunTrace(path, `worker ${name}`, { ...traceRate, burst: 1 }, showError);
  return {
    watch: {
      perSecond: traceRate.perSecond,
      tell: ({ committed, startMs, threads }) =>
        trace.step({ step: committed + 1, workers: [{ id: 'here', name, startMs, threads }] }),
    },
    get failed() {
      return trace.failed;
    },
    event: ({ kind, ...facts }) => {
      if (!frequent.includes(kind)) trace.event(kind, facts);
    },
    close: () => trace.close(),
  };
}
