// The customer's side: what a person with WhatsApp sees, and a little that WhatsApp keeps to itself.

import { adCard, chipsOf, composer, lines, showLines, stayAtEnd } from './chat.js';
import { h, say } from './dom.js';
import * as icons from './icons.js';
import { phone as shown, time } from './words.js';

const LOST = 'Did not arrive: you are blocked';

export function createPhone(root, actions) {
  let ad = false;
  const clock = h('span');
  const presence = h('span.presence');
  const name = h('strong', null, 'Your business');
  const log = h('div.log', { role: 'log', tabindex: '0', 'aria-label': 'Chat on the customer’s phone' },
    h('p.hello', null, 'Nobody here is real, and nothing here reaches WhatsApp.'), h('ol'));
  const typing = h('div.typing', { hidden: true },
    h('span.dots', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
    h('span.unseen', null, 'The business is typing'), h('span.left', { 'aria-hidden': 'true' }));
  log.append(typing);
  stayAtEnd(log);
  const blocked = h('p.ribbon', { hidden: true });
  const strip = h('div.strip', { hidden: true }, adCard(null),
    h('button.quiet.round', { type: 'button', 'aria-label': 'Not from the ad', onclick: () => chooseAd(false) }, icons.cross()));
  const horn = h('button.quiet.round', {
    type: 'button', 'aria-pressed': 'false', 'aria-label': 'Write from an ad', title: 'Write from an ad',
    onclick: () => chooseAd(!ad),
  }, icons.horn());
  const form = composer('phone-text', 'Message to the business', 'Message', async (text) => {
    const sent = await actions.write(text, ad);
    if (sent) chooseAd(false);
    return sent;
  }, horn);
  root.append(
    h('div.status-bar', { 'aria-hidden': 'true' }, clock, h('span.camera'), h('span.battery')),
    h('header.chat-head', null, h('span.avatar.shop', { 'aria-hidden': 'true' }, icons.shop()),
      h('div.names', null, name, presence)),
    log, blocked, strip, form);

  function chooseAd(value) {
    ad = value;
    strip.hidden = !value;
    horn.setAttribute('aria-pressed', String(value));
    if (value) form.querySelector('textarea').focus();
  }

  function row(state, message) {
    const mine = message.direction === 'in';
    const lost = mine && !message.reached_business;
    let tickLook = 'none';
    let mark = null;
    if (mine) {
      if (message.read_at) [tickLook, mark] = ['read', icons.ticks('Read', 'blue')];
      else if (lost) [tickLook, mark] = ['sent', icons.tick('Sent, not delivered', 'grey')];
      else [tickLook, mark] = ['delivered', icons.ticks('Delivered', 'grey')];
    }
    const unread = actions.canOpen && message === state.messages.findLast((each) => each.direction === 'out' && !each.failed_code)
      && !message.read_at;
    return {
      kind: 'message', key: message.wamid, at: message.sent_at, message, mine, lost, tickLook, ticks: mark,
      under: lost ? LOST : null, chips: chipsOf(state, message), actionLook: unread,
      action: unread
        ? () => h('button.chip.do', { type: 'button', 'data-focus': 'read', onclick: () => actions.openChat() }, 'Read it')
        : null,
    };
  }

  return {
    render(state, now) {
      const mine = state.messages.filter((message) => message.direction === 'in' || !message.failed_code);
      showLines(log, lines(mine.map((message) => row(state, message)), now), 'phone', actions.open);
      const since = state.chat?.blocked_at;
      blocked.hidden = !since;
      if (since) {
        say(blocked, `Blocked since ${time(since)}. WhatsApp would not tell: one grey tick, nothing else.`);
      }
      this.tick(state, now);
    },
    tick(state, now) {
      say(clock, time(now));
      const left = state.chat?.typing_until ? Date.parse(state.chat.typing_until) - now : 0;
      const isTyping = left > 0;
      if (typing.hidden === isTyping) {
        typing.hidden = !isTyping;
        if (isTyping) actions.announce('The business is typing');
      }
      if (isTyping) say(typing.querySelector('.left'), `${Math.ceil(left / 1000)} s`);
      // Whom a business has blocked does not see whether it is there.
      const word = isTyping ? 'typing…' : state.chat?.blocked_at ? null : 'online';
      say(presence, [word, shown(state.business.number)].filter(Boolean).join(' · '));
    },
  };
}
