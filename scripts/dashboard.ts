/** The page that shows a run while the command line trains it: what happens, told to who looks. */

import { Dashboard, type Ending } from '../coordinator/dashboard/dashboard.ts';
import type { EndModel } from '../coordinator/dashboard/feed.ts';
import { openSite, type SiteOptions } from '../coordinator/dashboard/site.ts';
import type { Evaluation } from '../coordinator/evaluation.ts';
import type { FleetEvent } from '../coordinator/fleet.ts';
import type { LiveRun } from '../coordinator/live-run.ts';
import type { Run } from '../coordinator/prepare.ts';
import type { EpochReport, StepReport } from '../coordinator/reports.ts';
import { FleetWords } from './fleet-words.ts';

export interface OpenDashboard {
  readonly port: number;
  /** What the run tells, after `start`. */
  readonly hooks: {
    onSteps(reports: readonly StepReport[]): void;
    onEpoch(report: EpochReport): void;
    onEvaluation(evaluation: Evaluation, steps: number): void;
  };
  /** @param log of a run that goes on, null for one that begins; what it did before is read for a second at most */
  start(run: Run, live: LiveRun, recipeName: string, log: string | null): Promise<void>;
  event(event: FleetEvent): void;
  /** Tells all readers how the run ended; the first time counts. */
  end(how: Ending['how'], reason: string, model?: EndModel): void;
  /** Gives them a second to read it, and closes. */
  close(): Promise<void>;
}

/** @throws LockstepError (CONNECTION) when the port cannot be had */
export async function openDashboard(settings: Omit<SiteOptions, 'dashboard'>): Promise<OpenDashboard> {
  const dashboard = new Dashboard();
  const words = new FleetWords();
  const site = await openSite({ ...settings, dashboard });
  return {
    port: site.port,
    hooks: {
      onSteps: (reports) => dashboard.steps(reports),
      onEpoch: (report) => dashboard.epoch(report),
      onEvaluation: (evaluation, steps) => dashboard.evaluation(evaluation, steps),
    },
    start: async (run, live, recipeName, log) => {
      dashboard.start(run, live, recipeName);
      if (log !== null && run.committed > 0) await dashboard.recall(log);
    },
    event: (event) => {
      const text = words.of(event);
      if (event.kind === 'waiting') dashboard.waitFor(text);
      else if (event.kind === 'enough') dashboard.waitFor(null);
      if (text !== null) dashboard.event(text);
    },
    end: (...ending) => dashboard.end(...ending),
    close: () => site.close(),
  };
}
