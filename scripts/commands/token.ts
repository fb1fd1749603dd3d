/** What workers and their coordinator must both know. */
import { usageError } from '../../shared/errors.ts';
import { tokenLength } from '../../shared/wire/limits.ts';
import type { FlagValues } from './flag-values.ts';

/**
 * The token that was given, or null.
 * @throws LockstepError (USAGE); it never shows the token
 */
export function readToken(flags: FlagValues): string | null {
  const token = flags.text('token');
  if (token === undefined) return null;
  checkToken(token, flags.label('token'));
  return token;
}

/** @throws LockstepError (USAGE); it never shows the token */
export function checkToken(token: string, label: string): void {
  const length = [...token].length;
  const { min, max } = tokenLength;
  const expected = `expected ${min} to ${max} printable characters without spaces`;
  if (length < min || length > max) throw usageError(`${label}: got ${length} characters, ${expected}`);
  if (/[\p{C}\p{Z}]/u.test(token))
    throw usageError(`${label}: got a space or a character that cannot be seen, ${expected}`);
}
