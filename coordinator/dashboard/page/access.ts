/** The run's token, which comes in the fragment of the link, and requests that carry it. */
import { byId, element, setText } from './elements.ts';

const storageKey = 'lockstep-token';

/** Takes the token out of the address, where it could be seen, and keeps it as long as the tab is open. */
export function takeToken(): void {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given !== null) {
    sessionStorage.setItem(storageKey, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
}

function knownToken(): string | null {
  return sessionStorage.getItem(storageKey);
}

/** Whoever asks is not allowed to know. */
export class TokenNeeded extends Error {}

/**
 * Requests data of the run.
 * @throws TokenNeeded when the coordinator wants another token, Error when there is no answer or one that is none
 */
export async function request(path: string, signal?: AbortSignal): Promise<Response> {
  const token = knownToken();
  const response = await fetch(path, {
    cache: 'no-store',
    ...(token === null ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status === 401) throw new TokenNeeded(`${path}: the token is missing or wrong`);
  if (!response.ok) throw new Error(`${path}: got status ${response.status}, expected 200`);
  return response;
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
      place.hidden = true;
      document.body.classList.remove('gated');
      resolve();
    });
  });
}
