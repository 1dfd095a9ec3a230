// Talking to the sandbox: the control surface, its live changes, the Graph API, and the gateway where there is one.

const STORED = 'laneway-control-token';

/** A call that was refused, in the sandbox's words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function kept() {
  const query = new URLSearchParams(location.search);
  const given = query.get('control_token');
  if (given === null) return sessionStorage.getItem(STORED);
  sessionStorage.setItem(STORED, given);
  // The token is not left in the address, where it would be copied along.
  query.delete('control_token');
  history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}${location.hash}`);
  return given;
}

let token = kept();

export const hasToken = () => token !== null;

export function useToken(given) {
  token = given;
  sessionStorage.setItem(STORED, given);
}

async function call(method, path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store' });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, value?.error?.message ?? `HTTP ${answer.status}`);
  return value;
}

export const get = (path) => call('GET', path);
export const post = (path, body) => call('POST', path, body);
export const put = (path, body) => call('PUT', path, body);
export const remove = (path) => call('DELETE', path);

/** A query of those members that are given. */
export function query(members) {
  return new URLSearchParams(Object.entries(members).filter(([, value]) => value !== undefined)).toString();
}

/** Makes a Graph call as the business. The answer is not looked at: its effect and the log of calls show what it was. */
export async function graph(business, method, path, body) {
  const headers = { authorization: `Bearer ${business.access_token}`, 'content-type': 'application/json' };
  const answer = await fetch(`/v26.0/${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}

/** Submits an event to the gateway. That it was taken is all that is known then; its effect shows what became of it. */
export async function submit(gateway, event) {
  const answer = await fetch(`${gateway}/v1.0/event`, { method: 'POST', body: JSON.stringify(event) });
  if (answer.ok) return;
  const value = await answer.json().catch(() => null);
  throw new Refused(answer.status, value?.details ?? `HTTP ${answer.status}`);
}

const AGAIN_MS = 1500;

/**
 * Listens to changes for as long as the page is on a screen; the function that it gives begins anew. A page behind others
 * lets go of its connection, for a browser has but six for one address, and a seventh page would wait for ever. What was
 * missed is told by the first word.
 */
export function listen({ marks, state, refused }) {
  let source = null;
  let again = null;
  const open = () => {
    source?.close();
    clearTimeout(again);
    if (document.hidden) return;
    const own = new EventSource(token ? `/sandbox/live?${query({ control_token: token })}` : '/sandbox/live');
    source = own;
    own.addEventListener('marks', (event) => marks(JSON.parse(event.data)));
    own.addEventListener('open', () => state(true));
    own.addEventListener('error', async () => {
      state(false);
      if (own.readyState !== EventSource.CLOSED) return;
      // A browser does not say why; a plain call does.
      try {
        await get('/sandbox/clock');
      } catch (error) {
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) return refused(error);
      }
      if (own === source) again = setTimeout(open, AGAIN_MS);
    });
  };
  document.addEventListener('visibilitychange', open);
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => event.persisted && open());
  open();
  return open;
}
