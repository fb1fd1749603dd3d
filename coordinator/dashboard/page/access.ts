/** The run's token, which comes in the fragment of the link, and requests that carry it. */
import { byId, element, setText } from './elements.ts';

const storageKey = 'lockstep-token';
/** Of an answer that ends. */
const answerMs = 10_000;
/** Letters of a reason that are shown. */
const longestLine = 200;

/** Takes the token out of the address, where it could be seen, and keeps it as long as the tab is open. */
export function takeToken(): void {
  takeFromAddress();
  // A link that is pasted into a tab with this page changes the fragment alone, and nothing is loaded.
  window.addEventListener('hashchange', () => {
    if (takeFromAddress()) location.reload();
  });
  carryToken();
}

function takeFromAddress(): boolean {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return false;
  sessionStorage.setItem(storageKey, given);
  history.replaceState(null, '', location.pathname + location.search);
  return true;
}

/** Puts the token into the links between the pages: a new tab has no storage of this one. */
function carryToken(): void {
  const token = knownToken();
  if (token === null) return;
  for (const link of document.querySelectorAll<HTMLAnchorElement>('nav a')) {
    link.hash = new URLSearchParams({ token }).toString();
  }
}

function knownToken(): string | null {
  return sessionStorage.getItem(storageKey);
}

/** Whoever asks is not allowed to know. */
export class TokenNeeded extends Error {}

/** Nothing was answered, or something else than what was asked for; the message says it to whoever looks. */
export class NoAnswer extends Error {}

/** What went wrong, in a line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Requests data of the run.
 * @param signal ends waiting; without one that is after ten seconds
 * @throws TokenNeeded when the coordinator wants another token, NoAnswer when there is no answer or one that is none
 */
export async function request(path: string, signal = AbortSignal.timeout(answerMs)): Promise<Response> {
  const token = knownToken();
  const headers: HeadersInit = token === null ? {} : { Authorization: `Bearer ${token}` };
  const response = await answered(fetch(path, { cache: 'no-store', signal, headers }));
  if (response.status === 401) throw new TokenNeeded(`${path}: the token is missing or wrong`);
  if (response.ok) return response;
  const line = (await answered(response.text())).trim().slice(0, longestLine);
  throw new NoAnswer(line === '' ? `${path}: got status ${response.status}, expected 200` : line);
}

/** What the network gives. @throws NoAnswer in place of whatever the browser throws then */
export async function answered<Given>(given: Promise<Given>): Promise<Given> {
  try {
    return await given;
  } catch (cause) {
    const isLate = cause instanceof DOMException && cause.name === 'TimeoutError';
    throw new NoAnswer(isLate ? `no answer within ${answerMs / 1000} s` : 'the coordinator does not answer', {
      cause,
    });
  }
}

/** Asks for the token in place of the page, until one is given. */
export function askForToken(): Promise<void> {
  const place = byId('gate');
  const input = element('input', { id: 'token', type: 'password', autocomplete: 'off', required: true });
  const hint = element('p', { class: 'hint' });
  setText(
    hint,
    knownToken() === null
      ? 'The coordinator prints it, and a link that has it, when it starts.'
      : 'The token that this page has is not the one of this run. The coordinator prints it when it starts.',
  );
  const form = element(
    'form',
    {},
    element('h2', {}, 'This run is shown to those who know its token'),
    hint,
    element('label', { for: 'token' }, 'Token'),
    element('div', { class: 'row' }, input, element('button', { class: 'primary' }, 'Show the run')),
  );
  place.replaceChildren(form);
  place.hidden = false;
  document.body.classList.add('gated');
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      sessionStorage.setItem(storageKey, input.value.trim());
      carryToken();
      place.hidden = true;
      document.body.classList.remove('gated');
      resolve();
    });
  });
}
