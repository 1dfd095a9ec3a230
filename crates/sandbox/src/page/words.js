// How things are written: numbers, instants, spans, money, and what a call is called.

/** `+316 012 345 678`: grouped from the end, because nobody here is in a numbering plan. */
export function phone(number) {
  const digits = number.replace(/\D/g, '');
  const groups = [];
  for (let end = digits.length; end > 0; end -= 3) groups.unshift(digits.slice(Math.max(0, end - 3), end));
  if (groups.length > 1 && groups[0].length < 2) groups.splice(0, 2, groups[0] + groups[1]);
  return `+${groups.join(' ')}`;
}

/** The beginning and the end of a long id. */
export function short(id, head = 9, tail = 4) {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const SECONDS = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

export const time = (instant) => TIME.format(new Date(instant));
export const seconds = (instant) => SECONDS.format(new Date(instant));
export const moment = (instant) => `${DATE.format(new Date(instant))}, ${SECONDS.format(new Date(instant))}`;

export function day(instant, now) {
  const of = (value) => new Date(value).toDateString();
  if (of(instant) === of(now)) return 'Today';
  if (of(instant) === of(now - 86_400_000)) return 'Yesterday';
  return DAY.format(new Date(instant));
}

/** `23:59:12`. */
export function countdown(ms) {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, '0');
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** `2 d 3 h`, for people. */
export function span(ms) {
  const minutes = Math.round(ms / 60_000);
  const parts = [[Math.floor(minutes / 1440), 'd'], [Math.floor(minutes / 60) % 24, 'h'], [minutes % 60, 'min']];
  const shown = parts.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`);
  return ms < 60_000 ? `${Math.round(ms / 1000)} s` : shown.slice(0, 2).join(' ');
}

export function money(value, currency) {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).format(value);
  } catch {
    return `${value} ${currency}`;
  }
}

/** A call's body as an object; forms are taken apart, lists in them too. */
export function fields(body) {
  if (body && typeof body === 'object') return body;
  if (typeof body !== 'string') return {};
  const read = (value) => {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  };
  return Object.fromEntries([...new URLSearchParams(body)].map(([name, value]) => [name, read(value)]));
}

const EDGE = /^(?:\/v\d+(?:\.\d+)?)?\/([^/?]+)\/([^/?]+)/;

/** What a call is about: its object, its edge, and a word for people. */
export function about(call) {
  const [, object = '', edge = ''] = EDGE.exec(call.path) ?? [];
  const body = fields(call.body);
  return { object, edge, body, title: title(call.method, edge, body) };
}

function title(method, edge, body) {
  switch (edge) {
    case 'messages':
      if (body.typing_indicator) return 'Typing';
      return body.status === 'read' ? 'Read mark' : 'Text';
    case 'block_users':
      return { POST: 'Block', DELETE: 'Unblock' }[method] ?? 'Block list';
    case 'events': {
      const names = [...new Set((Array.isArray(body.data) ? body.data : []).map((event) => event?.event_name))];
      return names.length === 1 ? String(names[0]) : 'Conversions';
    }
    case 'dataset':
      return 'Data set';
    case 'phone_numbers':
      return 'Numbers';
    case 'subscribed_apps':
      return 'Subscription';
    case 'app':
      return 'App';
    case 'debug_token':
      return 'Token';
    default:
      return 'Unknown call';
  }
}

export const succeeded = (call) => call.status >= 200 && call.status < 300;

export const pretty = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));
