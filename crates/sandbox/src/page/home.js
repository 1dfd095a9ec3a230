// The chats on the customer's phone: one row for each business, with what has not been read there.

import { inWords } from './chat.js';
import { follow, h } from './dom.js';
import * as icons from './icons.js';
import { phone as shown, time } from './words.js';

/** Of a chat on the screen, what the business wrote and the customer has not read. */
export const unreadOf = (state) =>
  state.messages.filter((message) => message.direction === 'out' && !message.failed_code && !message.read_at);

/** What the list says of the chat on the screen, of which more is known than of the others. */
function current(state) {
  const last = state.messages.findLast((message) => message.direction === 'in' || !message.failed_code);
  return { business: state.business.number, unread: unreadOf(state).length, last: last ?? null };
}

export function createHome(open) {
  const list = h('ul.chats', { 'aria-label': 'Chats on the customer’s phone' });
  const root = h('div.screen', { hidden: true },
    h('header.chat-head', null, h('div.names', null, h('strong', null, 'Chats'))), list);

  const row = ({ business, unread, last, isTyping }) => h('li', null,
    h('button.chat-row', { type: 'button', 'data-focus': 'open', onclick: () => open(business) },
      h('span.avatar.shop', { 'aria-hidden': 'true' }, icons.shop()),
      h('span.names', null, h('strong', null, 'Your business'), h('span.preview', null, shown(business)),
        h('span.preview', null, isTyping ? 'typing…' : last ? `${last.direction === 'in' ? 'You: ' : ''}${inWords(last)}` : 'Write first')),
      h('span.row-end', null, last ? h('time', { datetime: last.sent_at }, time(last.sent_at)) : null,
        unread ? h('span.count', null, String(unread), h('span.unseen', null, ' unread')) : null)));

  return {
    root,
    render(state, now) {
      const others = state.phoneChats.filter((each) => each.business !== state.business.number);
      const typingUntil = state.chat?.typing_until;
      const rows = [
        { ...current(state), isTyping: Boolean(typingUntil) && Date.parse(typingUntil) > now },
        ...others.map(({ business, unread_by_user: unread, last }) => ({ business, unread, last, isTyping: false })),
      ];
      follow(list, rows, (each) => each.business, ({ unread, last, isTyping }) => [unread, last, isTyping], row);
    },
  };
}
