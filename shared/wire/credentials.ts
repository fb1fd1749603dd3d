/** How a worker shows that it may come in: in headers, never in a URL, which others log. */

export const controlPath = '/control';
export const bulkPath = '/bulk';

/** The header that brings the ticket of the welcome to the bulk connection. */
export const ticketHeader = 'lockstep-ticket';

/**
 * The value of `Authorization` for a token. A token may hold any printable character, a header not; those that need
 * it are percent-encoded, others stay as they are.
 */
export function bearerOf(token: string): string {
  return `Bearer ${encodeURIComponent(token)}`;
}
