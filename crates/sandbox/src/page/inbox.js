// The business's side: its chats, what reached it, and what it can do about a customer.

import { avatar, blockNotes, chipsOf, composer, inWords, lines, showLines, stayAtEnd } from './chat.js';
import { follow, h, say } from './dom.js';
import * as icons from './icons.js';
import { countdown, phone as shown, time } from './words.js';

const CONVERSIONS = [
  'Purchase', 'LeadSubmitted', 'InitiateCheckout', 'AddToCart', 'ViewContent', 'OrderCreated', 'OrderShipped',
  'OrderDelivered', 'OrderCanceled', 'OrderReturned', 'CartAbandoned', 'QualifiedLead', 'RatingProvided',
  'ReviewProvided',
];
const NOTHING = 'Nothing has reached this inbox.';

export function createInbox(root, actions) {
  const chats = h('ul.chats', { 'aria-label': 'Chats of this business' });
  const name = h('strong', null, '');
  const window_ = h('span.pill', { title: 'WhatsApp’s window: free texts and blocks need a message of the last 24 hours' });
  const face = h('span.face');
  const log = h('div.log', { role: 'log', tabindex: '0', 'aria-label': 'Chat as the business sees it' },
    h('p.empty', null, NOTHING), h('ol'));
  stayAtEnd(log);
  const block = h('button.quiet', { type: 'button', onclick: () => actions.event(isBlocked ? 'UnBlock' : 'Block') });
  const typing = h('button.quiet', { type: 'button', onclick: () => actions.typing() }, icons.keys(), 'Typing');
  const readAll = h('button.quiet', { type: 'button', onclick: () => actions.read() }, icons.ticks('', ''), 'Mark read');
  const form = composer('inbox-text', 'Reply of the business', 'Reply as the business', (text) => actions.reply(text));
  const conversion = conversionForm(actions);
  let isBlocked = false;
  root.append(chats,
    h('header.chat-head.light', null, face, h('div.names', null, name, h('span.pills', null, window_))),
    log, h('div.doings', { role: 'group', 'aria-label': 'What the business does' }, readAll, typing, block, conversion),
    form);

  function row(state, message) {
    const mine = message.direction === 'out';
    let tickLook = 'none';
    let mark = null;
    if (mine) {
      if (message.failed_code) [tickLook, mark] = ['failed', h('span.failed', null, `failed, ${message.failed_code}`)];
      else if (message.read_at) [tickLook, mark] = ['read', icons.ticks('Read', 'blue')];
      else if (message.delivered_at === null) [tickLook, mark] = ['sent', icons.tick('Sent', 'grey')];
      else [tickLook, mark] = ['delivered', icons.ticks('Delivered', 'grey')];
    }
    const unread = !mine && !message.read_at;
    return {
      kind: 'message', key: message.wamid, at: message.sent_at, message, mine, lost: false, tickLook, ticks: mark,
      under: null, chips: mine ? [] : chipsOf(state, message), actionLook: unread,
      action: unread
        ? () => h('button.chip.do', { type: 'button', 'data-focus': 'mark', onclick: () => actions.read(message.wamid) }, 'Mark as read')
        : null,
    };
  }

  function chat(row) {
    const { last } = row;
    const text = last ? `${last.direction === 'out' ? 'You: ' : ''}${inWords(last)}` : '';
    return h('li', null,
      h(`button.chat-row${row.current ? '.current' : ''}`, {
        type: 'button', 'aria-current': row.current ? 'true' : null, 'data-focus': 'chat', onclick: () => actions.choose(row.user),
      }, avatar(row.user),
        h('span.names', null, h('strong', null, shown(row.user)), h('span.preview', null, text || 'no message yet')),
        row.blocked_at ? h('span.pill.bad', null, 'blocked') : null,
        row.unread ? h('span.count', null, String(row.unread), h('span.unseen', null, ' unread')) : null));
  }

  return {
    render(state, now) {
      isBlocked = Boolean(state.chat?.blocked_at);
      // A chat of which nothing has reached the business is none that it could see.
      const seen = state.chats.filter((row) => row.last || row.blocked_at);
      const rows = seen.map((row) => ({ ...row, current: row.user === state.user }));
      follow(chats, rows, (row) => row.user,
        (row) => [row.last, row.unread, row.blocked_at, row.current], chat);
      chats.hidden = rows.length < 2 && (rows.length === 0 || rows[0].current);
      say(name, shown(state.user));
      face.replaceChildren(avatar(state.user));
      const reached = state.messages.filter((message) => message.direction === 'out' || message.reached_business);
      const all = [...reached.map((message) => row(state, message)), ...blockNotes(state)];
      showLines(log, lines(all, now), 'inbox', actions.open);
      log.querySelector('.empty').hidden = reached.length > 0;
      block.replaceChildren(icons.barred(), isBlocked ? 'Unblock' : 'Block');
      block.classList.toggle('danger', !isBlocked);
      readAll.disabled = !reached.some((message) => message.direction === 'in' && !message.read_at);
      typing.disabled = !reached.some((message) => message.direction === 'in');
      conversion.offer(state);
      this.tick(state, now);
    },
    tick(state, now) {
      const left = state.chat?.window_until ? Date.parse(state.chat.window_until) - now : 0;
      if (isBlocked) {
        say(window_, `blocked since ${time(state.chat.blocked_at)}`);
        window_.className = 'pill bad';
      } else {
        say(window_, left > 0 ? `window open ${countdown(left)}` : 'window closed');
        window_.className = `pill ${left > 3_600_000 ? 'good' : left > 0 ? 'warm' : 'off'}`;
      }
    },
  };
}

/** The form that reports a conversion for the chat's latest click. */
function conversionForm(actions) {
  const type = h('select', { 'aria-label': 'Conversion' }, CONVERSIONS.map((each) => h('option', null, each)));
  const value = h('input', { 'aria-label': 'Value', inputmode: 'decimal', value: '12.60', size: '6' });
  const currency = h('input', { 'aria-label': 'Currency', value: 'EUR', size: '3', maxlength: '3' });
  const why = h('p.soft');
  const report = h('button.main', { type: 'submit' }, 'Report it');
  let click = null;
  const details = h('details.more', null,
    h('summary.quiet', null, icons.purse(), 'Conversion'),
    h('form.sheet', {
      async onsubmit(event) {
        event.preventDefault();
        const money = [value.value.trim(), currency.value.trim().toUpperCase()];
        if (await actions.conversion(type.value, click, ...money)) details.open = false;
      },
    }, h('div.row', null, type, value, currency), why, report));
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !details.open) return;
    details.open = false;
    details.querySelector('summary').focus();
  });
  details.offer = (state) => {
    click = state.messages.findLast((message) => message.ctwa_clid && message.reached_business)?.ctwa_clid ?? null;
    report.disabled = !click;
    say(why, click ? `for the click ${click.slice(0, 12)}…` : 'This chat knows no click: write from an ad first.');
  };
  return details;
}
