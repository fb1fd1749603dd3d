/**
 * The errors that reach a user. Each says who, where, what it got, what it expected and what to do, in one
 * line, and carries a stable code. Anything else that is thrown is a bug of ours.
 */
export type ErrorCode =
  | 'USAGE' // wrong in flags, environment or recipe
  | 'DATA' // a broken or mismatching file
  | 'OUTPUT' // something could not be written
  | 'DIVERGED' // a number of the training path is not finite
  | 'TEAM' // threads were lost and could not be replaced
  | 'WORKERS' // too few workers for too long, or none that could be trusted
  | 'DOUBT' // a worker computed with other parameters than all others, and what it sent is part of the result
  | 'CONNECTION' // the coordinator cannot be reached, or the port not opened; later it may be
  | 'REFUSED' // who answers does not want this worker, is not whom it was told to trust, or makes no sense
  | 'RUN' // a run in another process failed: the one that was worked for, or one that was started to compare
  | 'MPI' // no libmpi that fits, ranks that do not come or are not alike, or a call that failed
  | 'PEER' // another library that the benchmark runs failed, or did not answer
  | 'INTERRUPTED'; // the run was stopped from outside

/** Exit code of the command line for each error code (130 and 143 come with the signal). */
const exitCodes: Record<ErrorCode, number> = {
  USAGE: 2,
  DATA: 1,
  OUTPUT: 1,
  DIVERGED: 1,
  TEAM: 1,
  WORKERS: 1,
  DOUBT: 1,
  CONNECTION: 1,
  REFUSED: 1,
  RUN: 1,
  MPI: 1,
  PEER: 1,
  INTERRUPTED: 130,
};

/** True for a code that errors of this version have. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(exitCodes, text);
}

export class LockstepError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LockstepError';
    this.code = code;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/** A wrong flag, environment variable, recipe or argument: exit code 2. */
export function usageError(message: string, cause?: unknown): LockstepError {
  return new LockstepError('USAGE', message, { cause });
}

/** A file that is missing something, has too much of it, or is not what it should be: exit code 1. */
export function dataError(message: string, cause?: unknown): LockstepError {
  return new LockstepError('DATA', message, { cause });
}

/** The message of anything thrown, for the end of a sentence of ours. It may quote a file, so it is made harmless. */
export function reasonOf(thrown: unknown): string {
  return oneLine(thrown instanceof Error ? thrown.message : String(thrown));
}

/** What another end of the wire wrote, with nothing in it that moves a cursor or turns the direction of writing. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

/** `, did you mean "…"?` when one of the known names is close to the one that was given, else nothing. */
export function suggestion(given: string, known: readonly string[]): string {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best === undefined ? '' : `, did you mean "${best}"?`;
}

/** Levenshtein distance; inputs are cut at 64 characters, names here are shorter. */
function editDistance(a: string, b: string): number {
  const from = a.slice(0, 64);
  const to = b.slice(0, 64);
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const current = [i];
    for (let j = 1; j <= to.length; j++) {
      const substitution = previous[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j] + 1, current[j - 1] + 1, substitution));
    }
    previous = current;
  }
  return previous[to.length];
}

/** Text from a file or a user, made safe for one line of a terminal and cut to a bearable length. */
export function quoted(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028\u2029]/g, '?');
}
