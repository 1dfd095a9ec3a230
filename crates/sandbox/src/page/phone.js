// The customer's side: what a person with WhatsApp sees, and a little that WhatsApp keeps to itself.

import { copies } from './calls.js';
import { adCard, chipsOf, composer, inWords, lines, showLines, stayAtEnd } from './chat.js';
import { h, say } from './dom.js';
import { createHome, unreadOf } from './home.js';
import * as icons from './icons.js';
import { message as recipe } from './recipes.js';
import { phone as shown, time } from './words.js';

const LOST = 'Did not arrive: you are blocked';

export function createPhone(root, actions) {
  let ad = false;
  /** Whose chat is on the screen, and whether it is opened there; and the newest message that it was read up to. */
  let held = null;
  let isOpen = true;
  let asked = null;
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
  const back = h('button.quiet.round.back', { type: 'button', 'aria-label': 'All chats', onclick: () => put(false) }, icons.back());
  const chat = h('div.screen', null,
    h('header.chat-head', null, back, h('span.avatar.shop', { 'aria-hidden': 'true' }, icons.shop()),
      h('div.names', null, name, presence)),
    log, blocked, strip, form);
  const home = createHome((business) => {
    held = keyOf(business, held?.split(' ')[1]);
    put(true);
    actions.chooseBusiness(business);
  });
  root.append(h('div.status-bar', { 'aria-hidden': 'true' }, clock, h('span.camera'), h('span.battery')), chat, home.root);

  const keyOf = (business, user) => `${business} ${user}`;

  /** Puts the chat or the list of chats on the screen. */
  function put(open) {
    isOpen = open;
    chat.hidden = !open;
    home.root.hidden = open;
    if (open) log.focus();
    else home.root.querySelector('button')?.focus();
  }

  /** What a person looks at is read, as on WhatsApp: an open chat in a window that has the focus. */
  function readIfLookedAt(state) {
    const newest = unreadOf(state).at(-1)?.wamid;
    if (!newest || newest === asked || !isOpen || !document.hasFocus() || !root.checkVisibility()) return;
    asked = newest;
    actions.openChat();
  }

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
    return {
      kind: 'message', key: message.wamid, at: message.sent_at, message, mine, lost, tickLook, ticks: mark,
      under: lost ? LOST : null, chips: chipsOf(state, message), before: mine ? () => copier(message) : null,
    };
  }

  /** What copies a message of the customer as a command or as a test. */
  function copier(message) {
    const details = h('details.copier', null,
      h('summary.chip', { 'data-focus': 'copy', 'aria-label': `Copy the message “${inWords(message)}”` }, '⋯'),
      h('div.chips', null, ...copies(actions, recipe, message)));
    return details;
  }

  /** A phone that is picked up shows its chats where something is unread, and else the chat. */
  function pickUp(state) {
    const key = keyOf(state.business.number, state.user);
    if (key === held) return;
    held = key;
    isOpen = unreadOf(state).length === 0;
    chat.hidden = !isOpen;
    home.root.hidden = isOpen;
  }

  return {
    isOpen: () => isOpen,
    /** Opens the chat for somebody who wants to write. */
    write() {
      put(true);
      form.querySelector('textarea').focus();
    },
    open: () => put(true),
    render(state, now) {
      pickUp(state);
      home.render(state, now);
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
      readIfLookedAt(state);
      say(clock, time(now));
      // Whom a business has blocked does not see whether it is there.
      const isBlocked = Boolean(state.chat?.blocked_at);
      const left = state.chat?.typing_until ? Date.parse(state.chat.typing_until) - now : 0;
      const isTyping = left > 0 && !isBlocked;
      if (typing.hidden === isTyping) {
        typing.hidden = !isTyping;
        if (isTyping) actions.announce('The business is typing');
      }
      if (isTyping) say(typing.querySelector('.left'), `${Math.ceil(left / 1000)} s`);
      const word = isTyping ? 'typing…' : isBlocked ? null : 'online';
      say(presence, [word, shown(state.business.number)].filter(Boolean).join(' · '));
    },
  };
}
