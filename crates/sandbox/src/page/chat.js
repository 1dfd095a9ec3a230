// What both sides of a chat have in common: bubbles, ticks, days, the card of an ad, and which call did what.

import { $, drawing, follow, h } from './dom.js';
import * as icons from './icons.js';
import { about, day, short, time } from './words.js';

const digits = (number) => String(number ?? '').replace(/\D/g, '');

/** How far a call's instant may be from that of its effect, both by the sandbox's clock. */
const SAME_MOMENT_MS = 1500;

/** The call that marked a message read: the one about this or a later message of the chat, at that moment. */
export function readBy(state, message) {
  if (!message.read_at || message.direction !== 'in') return null;
  const order = new Map(state.messages.map((each, index) => [each.wamid, index]));
  const at = Date.parse(message.read_at);
  const distance = (call) => Math.abs(Date.parse(call.at) - at);
  const fits = (call) => {
    const { edge, body } = about(call);
    return edge === 'messages' && body.status === 'read' && distance(call) < SAME_MOMENT_MS
      && order.get(body.message_id) >= order.get(message.wamid);
  };
  return state.calls.filter(fits).sort((a, b) => distance(a) - distance(b))[0] ?? null;
}

/** The calls of the business that blocked or unblocked a person, or failed to, oldest first. */
export function blockCalls(state, user, userId) {
  const is = (row) => digits(row.wa_id ?? row.input) === digits(user) || (row.user_id && row.user_id === userId);
  return state.calls.flatMap((call) => {
    const { object, edge } = about(call);
    if (edge !== 'block_users' || call.method === 'GET' || object !== state.business.phone_number_id) return [];
    const { added_users: added = [], removed_users: removed = [], failed_users: failed = [] } = call.answer?.block_users ?? {};
    const isDone = [...added, ...removed].some(is);
    const refused = failed.find(is);
    if (!isDone && !refused) return [];
    return [{ call, isBlock: call.method === 'POST', error: isDone ? null : refused.errors?.[0] ?? {} }];
  });
}

/** The same as lines for the business. */
export function blockNotes(state) {
  return blockCalls(state, state.user, state.chat?.user_id).map(({ call, isBlock, error }) => {
    const verb = isBlock ? 'Blocked' : 'Unblocked';
    const text = error ? `Not ${verb.toLowerCase()}: ${error.code}, ${error.message}` : `${verb} by you`;
    return { kind: 'note', key: `call-${call.n}`, at: call.at, call, text, isBad: Boolean(error) };
  });
}

/** Messages and notes in the order of time, with a line before each new day. */
export function lines(rows, now) {
  const sorted = [...rows].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const out = [];
  let last = '';
  for (const row of sorted) {
    const name = day(row.at, now);
    if (name !== last) out.push({ kind: 'day', key: `day-${name}`, text: name });
    last = name;
    out.push(row);
  }
  return out;
}

/** The card of the ad that a chat began with: what the notification's `referral` says of it. */
export function adCard(clickId) {
  const { headline, body: text, source } = $('ad').dataset;
  return h('div.ad', null,
    h('div.ad-picture', { 'aria-hidden': 'true' },
      drawing(['M0 74L40 40L70 62L112 22L160 66L200 44L240 74V90H0Z'], { width: 240, height: 90, kind: 'hills' })),
    h('div.ad-words', null,
      h('strong', null, headline), h('span', null, text), h('span.soft', null, `Ad · ${source}`),
      clickId ? h('span.soft', null, `click ${short(clickId, 10, 5)}`) : null));
}

/** A message in words, also one that the Cloud API does not carry. */
export const inWords = (message) => message.text || '(something that is no text)';

function body(row, side, open) {
  const { message } = row;
  const end = h('span.bubble-end', null, h('time', { datetime: message.sent_at }, time(message.sent_at)), row.ticks);
  const parts = [message.ad ? adCard(message.ctwa_clid) : null, h('p', { dir: 'auto' }, inWords(message), end)];
  const kind = row.mine ? 'mine' : 'theirs';
  const who = row.mine ? 'You' : side === 'phone' ? 'Business' : 'Customer';
  const chips = row.chips.map((chip) =>
    h('button.chip', { type: 'button', 'data-focus': chip.key, title: chip.title, onclick: () => open(chip) }, chip.text));
  return h(`li.line.${kind}`, { id: `${side}-${message.wamid}`, tabindex: '-1' },
    h('div.said', null, row.before?.(), h(`div.bubble${row.lost ? '.lost' : ''}`, null, h('span.unseen', null, `${who}: `), ...parts)),
    row.under ? h('p.under', null, icons.barred(), row.under) : null,
    chips.length || row.action ? h('div.chips', null, ...chips, row.action?.()) : null);
}

const END_PX = 80;

/** Keeps a log at its end while the reader is there, whatever grows or shrinks. */
export function stayAtEnd(log) {
  let atEnd = true;
  const toEnd = () => {
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
  log.addEventListener('scroll', () => {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < END_PX;
  });
  const watcher = new ResizeObserver(toEnd);
  for (const each of [log, ...log.children]) watcher.observe(each);
}

/** Shows the lines of a chat in its log. */
export function showLines(log, rows, side, open) {
  const list = log.querySelector('ol');
  const look = (row) => row.kind === 'message'
    ? [row.message, row.tickLook, row.chips.map((chip) => chip.text), row.under, row.actionLook]
    : [row.text];
  follow(list, rows, (row) => row.key, look, (row) => {
    if (row.kind === 'message') return body(row, side, open);
    if (row.kind === 'day') return h('li.day', null, h('span', null, row.text));
    return h(`li.note${row.isBad ? '.bad-note' : ''}`, null, h('span', null, row.text, ' ', h('time', { datetime: row.at }, time(row.at))),
      h('button.chip', { type: 'button', 'data-focus': 'call', onclick: () => open({ call: row.call }) },
        row.call.events[0] ? short(row.call.events[0]) : `call ${row.call.n}`));
  });
}

/** The chips that lead from a message to the event and the call behind its ticks. */
export function chipsOf(state, message) {
  const call = readBy(state, message);
  if (!call) return [];
  const event = call.events[0];
  const text = event ? `read · ${short(event)}` : `read · call ${call.n}`;
  return [{ key: 'read', text, call, title: event ? `${event}: show its call` : 'Show the call' }];
}

/** A field to write in, with a button to send. Enter sends; with Shift it makes a line. */
export function composer(id, label, placeholder, write, before = null) {
  const text = h('textarea', { id, rows: '1', placeholder, maxlength: '4096', 'aria-label': label, enterkeyhint: 'send' });
  const form = h('form.composer', { onsubmit: go }, before, text,
    h('button.send', { type: 'submit', 'aria-label': 'Send' }, icons.send()));
  async function go(event) {
    event?.preventDefault();
    const value = text.value.trim();
    if (!value) return text.focus();
    if (await write(value)) {
      text.value = '';
      grow();
    }
    text.focus();
  }
  function grow() {
    text.style.height = 'auto';
    text.style.height = `${Math.min(text.scrollHeight, 120)}px`;
  }
  text.addEventListener('input', grow);
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) go(event);
  });
  return form;
}

/** A round sign with the last two digits of a number, in a colour of its own. */
export function avatar(number) {
  const hue = [...digits(number)].reduce((sum, digit) => (sum * 31 + Number(digit)) % 360, 7);
  const sign = h('span.avatar', { 'aria-hidden': 'true' }, digits(number).slice(-2));
  sign.style.setProperty('--hue', hue);
  return sign;
}
