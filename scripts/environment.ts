/** Where and how a run was started, each time that it was: `environment.json` of its folder. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, hostname, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeDurably } from '../coordinator/durable-file.ts';
import type { Run } from '../coordinator/prepare.ts';
import { arithmeticVersion } from '../shared/recipe/recipe.ts';
import { version } from '../shared/version.ts';
import { type KeepSettings, type KeepTexts, keepTexts } from './keep-settings.ts';

/** What only the caller knows. */
export interface StartFacts {
  /** The command line, without secrets; null for the library. */
  readonly command: readonly string[] | null;
  /** The data set's name, or the folder of its files as an absolute path; `memory` where it came from there. */
  readonly data: string;
  /** Threads of this process that compute. */
  readonly threads: number;
  /** What the recipe is called; null where nobody named it. */
  readonly recipeName: string | null;
}

/** What a later start takes over where it is told nothing else. */
export interface Remembered {
  readonly data: string | null;
  readonly recipeName: string | null;
  readonly keep: KeepTexts;
}

export const environmentFile = 'environment.json';

/** Adds this start to those that the folder knows of. @throws LockstepError (OUTPUT) */
export function noteStart(folder: string, run: Run, facts: StartFacts, settings: KeepSettings): void {
  const start = {
    startedAt: new Date().toISOString(),
    step: run.committed,
    ...facts,
    keep: keepTexts(settings),
    versions: {
      lockstep: version,
      arithmetic: arithmeticVersion,
      node: process.versions.node,
      v8: process.versions.v8,
    },
    kernels: { set: run.kernels.set, reason: run.kernels.reason },
    machine: {
      host: hostname(),
      platform: platform(),
      release: release(),
      arch: arch(),
      cpu: cpus()[0]?.model.trim() ?? null,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
  };
  const first = read(folder);
  const all = first === null ? start : { ...first, resumed: [...listOf(first.resumed), start] };
  writeDurably(join(folder, environmentFile), [`${JSON.stringify(all, null, 2)}\n`]);
}

/** What the last start used, and what the recipe was called. */
export function rememberStart(folder: string): Remembered {
  const first = read(folder);
  const starts =
    first === null ? [] : [first, ...listOf(first.resumed)].map((start) => (isObject(start) ? start : {}));
  const { data, keep } = starts.at(-1) ?? {};
  // The library gives none: what it goes on with is still called what it was.
  const recipeName = starts.map(({ recipeName }) => recipeName).findLast(isName) ?? null;
  const texts = Object.entries(isObject(keep) ? keep : {}).filter(([, text]) => typeof text === 'string');
  return { data: typeof data === 'string' ? data : null, recipeName, keep: Object.fromEntries(texts) };
}

/** Null where there is none that can be read: it is not needed to go on. */
function read(folder: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, environmentFile), 'utf8'));
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/** Whatever is written there is shown in many places. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\w=. -]{1,100}$/.test(value);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
