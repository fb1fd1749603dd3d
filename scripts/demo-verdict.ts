/** What the demo says in the end. */

export interface DemoResult {
  readonly weightsDigest: string;
  /** What one thread makes of it; null if it made nothing. */
  readonly expected: string | null;
  readonly deaths: number;
  readonly joins: number;
}

/** One worker is killed, and a fourth one comes; a run that is over before shows less, and the same bits. */
export function verdict({ weightsDigest, expected, deaths, joins }: DemoResult): {
  readonly exitCode: 0 | 1;
  readonly line: string;
} {
  if (expected === null) return { exitCode: 1, line: 'one thread ended without a result to compare with' };
  if (weightsDigest !== expected)
    return { exitCode: 1, line: 'NOT WHAT IT MUST BE: please report this machine and what it printed' };
  if (deaths === 1 && joins === 4) return { exitCode: 0, line: 'the same bits' };
  return { exitCode: 0, line: `the same bits, but ${shortcoming(deaths, joins)}` };
}

function shortcoming(deaths: number, joins: number): string {
  if (deaths > 1 || joins > 4) return 'other workers were lost, too';
  const lacks = deaths === 0 ? 'the kill' : 'the fourth worker';
  return `the run was too short for ${lacks}; more --epochs or samples show it`;
}
