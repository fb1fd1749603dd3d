import { type ErrorCode, LockstepError } from '../../shared/errors.ts';

/**
 * The message with which something is refused. It must be a LockstepError of this code, in one line without
 * control characters; anything else that is thrown is thrown on.
 */
export function refusal(action: () => unknown, code: ErrorCode = 'USAGE'): string {
  try {
    action();
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    if (error.code !== code) throw new Error(`the code is ${error.code}, expected ${code}: ${error.message}`);
    if (/\p{Cc}/u.test(error.message)) throw new Error(`not one line: ${JSON.stringify(error.message)}`);
    return error.message;
  }
  throw new Error('it was not refused');
}
