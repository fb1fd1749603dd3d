import type { ErrorCode } from '../../shared/errors.ts';
import { refusal } from './refusal.ts';

/** The message with which a promise is rejected, as `refusal` looks at it. */
export async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<string> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  return refusal(() => {
    if (outcome !== null) throw outcome.error;
  }, code);
}
