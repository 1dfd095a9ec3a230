// Where the console's data comes from: the API, with the reader's token, and the news of changes.

const STORED = 'laneway-product-token';
const AGAIN_MS = 2000;

let token = sessionStorage.getItem(STORED);
let stop = new AbortController();
let tell;
let given = new Promise((done) => { tell = done; });

/** The API's refusal, in its words. */
export class Refused extends Error {
  constructor(status, error) {
    super([error?.message ?? `HTTP ${status}`, error?.hint].filter(Boolean).join('; '));
    this.status = status;
  }
}

export function useToken(text) {
  token = text;
  sessionStorage.setItem(STORED, text);
  stop.abort();
  tell();
  given = new Promise((done) => { tell = done; });
}

export const hasToken = () => Boolean(token);

const headers = () => (token ? { authorization: `Bearer ${token}` } : {});

export async function ask(path, method = 'GET') {
  const answer = await fetch(path, { method, headers: headers(), cache: 'no-store' });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, value?.error);
  return value;
}

const rest = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * Until the page is on a screen. One behind others lets go of its stream, for a browser has but six connections for one
 * address, and a seventh page would wait for ever.
 */
async function onScreen() {
  while (document.hidden) {
    await new Promise((done) => {
      document.addEventListener('visibilitychange', done, { once: true });
      addEventListener('pageshow', done, { once: true });
    });
  }
}
document.addEventListener('visibilitychange', () => document.hidden && stop.abort());
addEventListener('pagehide', () => stop.abort());

/** Calls `changed` whenever an event may have changed, for as long as the page is looked at. */
export async function follow(changed, state) {
  for (;;) {
    await onScreen();
    stop = new AbortController();
    try {
      await stream(changed, state);
      await rest(AGAIN_MS);
    } catch (error) {
      const isRefused = error instanceof Refused;
      state(isRefused ? 'not allowed' : 'reconnecting', false);
      // Another token ends the stream, and what waits for one.
      if (isRefused) await given;
      else if (!stop.signal.aborted) await rest(AGAIN_MS);
    }
  }
}

/** Reads server-sent events, which a browser's own reader would ask for without a token. */
async function stream(changed, state) {
  const answer = await fetch('/api/v1/events/stream', { headers: headers(), signal: stop.signal, cache: 'no-store' });
  if (!answer.ok) throw new Refused(answer.status, null);
  state('live', true);
  // What changed before the stream began is not in it.
  changed(null);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (text + value).split('\n');
    text = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data:')) changed(JSON.parse(line.slice(5)));
    }
  }
}
