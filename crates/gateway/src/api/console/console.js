// The console: a list that follows the gateway, and one event in full.

import { Refused, ask, follow, hasToken, useToken } from './source.js';
import { h, moment, pill, time } from './dom.js';
import { followPauses, loadPauses } from './pauses.js';

const $ = (id) => document.getElementById(id);
const PAGE = 50;
const GATHER_MS = 150;

const STATUSES = [
  ['', 'All'], ['open', 'Open'], ['failed', 'Dead letters'], ['in_doubt', 'In doubt'], ['confirmed', 'Confirmed'],
  ['relayed', 'Relayed'],  ['expired', 'Expired'], ['superseded', 'Superseded'], ['discarded', 'Discarded'],
];
const TYPES = [
  'MarkAsRead', 'Typing', 'Block', 'UnBlock', 'Purchase', 'LeadSubmitted', 'InitiateCheckout', 'AddToCart', 'ViewContent',
  'OrderCreated', 'OrderShipped', 'OrderDelivered', 'OrderCanceled', 'OrderReturned', 'CartAbandoned', 'QualifiedLead',
  'RatingProvided', 'ReviewProvided',
];
const LOOKS = { confirmed: 'good', relayed: 'good', failed: 'bad', in_doubt: 'bad', expired: 'bad', retrying: 'warm', sending: 'warm', accepted: 'warm' };
/** What is tried again by itself is no disaster. */
const OUTCOMES = { confirmed: 'good', relayed: 'good', rejected: 'bad', unauthorized: 'bad' };
const RETRIABLE = ['failed', 'in_doubt', 'discarded'];
const DISCARDABLE = ['failed', 'in_doubt', 'accepted', 'retrying'];

const wanted = new URLSearchParams(location.hash.slice(1));
const FIELDS = ['type', 'from', 'to', 'reference'];
let chosen = wanted.get('event');
/** The chosen event as it is shown. */
let told = '';
let status = wanted.get('status') ?? '';
let pages = 1;

/** The sandbox that sent its reader here; only one on this machine is linked back to. */
const sandbox = (() => {
  const given = wanted.get('sandbox') ?? sessionStorage.getItem('laneway-sandbox') ?? '';
  if (!/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(given)) return null;
  sessionStorage.setItem('laneway-sandbox', given);
  return given;
})();

function filter() {
  const fields = FIELDS.map((name) => [name, $(name).value.trim()]).filter(([name, value]) => !isBegun(name, value));
  return [['status', status], ...fields].filter(([, value]) => value);
}

/** Whether a number is still being typed: it has fewer digits than any number has. */
const isBegun = (name, value) => ['from', 'to'].includes(name) && /^[+\d\s-]*$/.test(value) && value.replace(/\D/g, '').length < 7;

/** Keeps in the address what is looked at, so that it can be passed on and survives a reload. */
function remember() {
  const members = [...filter(), ...(chosen ? [['event', chosen]] : [])];
  history.replaceState(null, '', `#${new URLSearchParams(members)}`);
}

async function load() {
  const events = [];
  let cursor = null;
  for (let page = 0; page < pages; page += 1) {
    const query = new URLSearchParams([...filter(), ['limit', PAGE], ...(cursor ? [['cursor', cursor]] : [])]);
    const list = await ask(`/api/v1/events?${query}`);
    events.push(...list.events);
    cursor = list.cursor;
    if (!cursor) break;
  }
  show(events);
  $('more').hidden = cursor === null;
}

function show(events) {
  const list = $('events');
  const old = new Map([...list.children].map((child) => [child.dataset.id, child]));
  const rows = events.map((event) => {
    const item = old.get(event.id) ?? row(event.id);
    const look = `${event.status} ${event.updated_at} ${event.id === chosen}`;
    if (item.dataset.look !== look) fill(item.firstElementChild, event);
    item.dataset.look = look;
    return item;
  });
  const focused = document.activeElement?.closest('#events > li')?.dataset.id;
  rows.forEach((each, index) => {
    if (list.children[index] !== each) list.insertBefore(each, list.children[index] ?? null);
  });
  while (list.children.length > rows.length) list.lastElementChild.remove();
  if (focused && !list.contains(document.activeElement)) list.querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus();
  $('none').hidden = events.length > 0;
  const send = () => ['No event yet. ', h('code', null, 'POST /v1.0/event'), ' submits one, and so does ', h('code', null, 'laneway send'), '.'];
  $('none').replaceChildren(...(filter().length > 0 ? ['No event fits.'] : send()));
  $('retry-all').hidden = !RETRIABLE.includes(status) || events.length === 0;
}

const row = (id) => h('li', { 'data-id': id }, h('button.event', { type: 'button', onclick: () => trying(() => choose(id, true)) }));

/** Shows an event in its row. The button stays what it is, so that none is lost while it is being pressed. */
function fill(button, event) {
  const isCurrent = event.id === chosen;
  button.classList.toggle('current', isCurrent);
  if (isCurrent) button.setAttribute('aria-current', 'true');
  else button.removeAttribute('aria-current');
  button.replaceChildren(
    h('span.first', null, h('strong', null, event.type), pill(event.status, LOOKS[event.status]), h('time', { datetime: event.accepted_at }, moment(event.accepted_at))),
    h('span.second', null, h('span', null, [event.from, event.to].filter(Boolean).join(' → ')),
      event.reference ? h('span.soft', null, event.reference) : ''),
    event.reason ? h('span.reason', null, event.reason) : '');
}

async function choose(id, byHand) {
  chosen = id;
  remember();
  await Promise.all([detail(), load()]);
  if (byHand) $('detail').focus({ preventScroll: innerWidth > 900 });
}

/** What stands there while no event is chosen. */
const IDLE = { title: $('detail-title').textContent, body: [...$('detail-body').children] };

/** Goes back from the event to the list. */
function close() {
  const row = [...$('events').children].find((each) => each.dataset.id === chosen);
  chosen = null;
  told = '';
  remember();
  $('detail').classList.add('idle');
  $('detail-title').textContent = IDLE.title;
  $('detail-body').replaceChildren(...IDLE.body);
  trying(load);
  (row?.querySelector('button') ?? $('events')).focus();
}

async function detail() {
  if (!chosen) return;
  const event = await ask(`/api/v1/events/${encodeURIComponent(chosen)}`);
  const look = JSON.stringify(event);
  if (event.id !== chosen || look === told) return;
  told = look;
  $('detail').classList.remove('idle');
  $('detail-title').textContent = event.type;
  const facts = [
    ['Event', h('code', null, event.id)], ['Business', event.from], ['Customer', event.to], ['Reference', event.reference],
    ['Accepted', moment(event.accepted_at)], ['Waits for', event.waiting_for?.replace('_', ' ')], ['Next attempt', event.next_attempt_at && moment(event.next_attempt_at)],
    ['Gives up', event.status.match(/accepted|sending|retrying/) && event.expires_at && moment(event.expires_at)],
    ['Superseded by', event.superseded_by && link(event.superseded_by)],
    ['Click', event.click_id && `${cut(event.click_id.value)}${event.click_id.captured ? ' (captured)' : ''}`],
    ['Twice?', event.possibly_duplicate ? 'possibly: its answer was lost once' : null],
  ].filter(([, value]) => value);
  const open = document.querySelector('#detail details')?.open;
  const hadFocus = $('detail-body').contains(document.activeElement);
  $('detail-body').replaceChildren(
    h('p.first', null, pill(event.status, LOOKS[event.status]), event.reason ? h('span', null, event.reason) : null),
    doings(event),
    h('dl', null, facts.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value)))),
    h('h3', null, event.attempts.length === 1 ? '1 attempt' : `${event.attempts.length} attempts`),
    h('ol.attempts', null, event.attempts.map((each) => attempt(each, event.reason))),
    h('details', { open: open ?? false }, h('summary', null, 'As submitted'), h('pre', { tabindex: '0', 'aria-label': 'The event’s own fields', role: 'group' }, JSON.stringify(event.custom ?? {}, null, 2))));
  if (hadFocus) $('detail').focus({ preventScroll: true });
}

const CLICK_SHOWN = 18;
const cut = (text) => (text.length > CLICK_SHOWN ? `${text.slice(0, CLICK_SHOWN)}…` : text);

const link = (id) => h('a', { href: `#event=${id}`, onclick: (event) => { event.preventDefault(); trying(() => choose(id, true)); } }, h('code', null, id));

/** One attempt; what it said is not told a second time where it is why the event ended. */
function attempt(each, reason) {
  const took = each.finished_at ? `${Date.parse(each.finished_at) - Date.parse(each.started_at)} ms` : 'no answer was seen';
  return h('li', null,
    h('span.first', null, h('span.n', null, String(each.n)), pill(each.outcome ?? 'unknown', OUTCOMES[each.outcome] ?? 'warm'),
      h('span', null, [each.http_status && `HTTP ${each.http_status}`, each.code && `code ${each.code}`, each.subcode && `subcode ${each.subcode}`].filter(Boolean).join(', ')),
      h('time', { datetime: each.started_at }, `${time(each.started_at)} · ${took}`)),
    each.detail && each.detail !== reason ? h('span', null, each.detail) : null,
    each.trace_id ? h('span.soft.second', null, `trace ${each.trace_id}`,
      sandbox ? h('a', { href: `${sandbox}/#trace=${each.trace_id}` }, 'the call in the sandbox') : null) : null);
}

function doings(event) {
  const button = (word, verb, kind) => h(`button.${kind}`, {
    type: 'button',
    async onclick() {
      await trying(async () => {
        await ask(`/api/v1/events/${event.id}/${verb}`, 'POST');
        $('news').textContent = `${event.type}: ${word} is done`;
        await Promise.all([detail(), load()]);
      });
    },
  }, word);
  const buttons = [
    RETRIABLE.includes(event.status) ? button('Retry', 'retry', 'main') : null,
    DISCARDABLE.includes(event.status) ? button('Discard', 'discard', 'quiet') : null,
  ];
  return h('div.doings', null, buttons);
}

/** Everything that the page shows, anew. */
const refresh = () => Promise.all([load(), detail(), loadPauses()]);

/** Runs something, and says on the page what went wrong; a missing token is asked for. */
async function trying(action) {
  try {
    await action();
    $('problem').hidden = true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) askForToken(error);
    $('problem').textContent = error.message;
    $('problem').hidden = false;
  }
}

/** Asks for a token; whoever gave one that is not known is told so. */
function askForToken(error) {
  $('token-problem').hidden = !error || !hasToken();
  $('token-problem').textContent = error?.message ?? '';
  if (!$('token-dialog').open) $('token-dialog').showModal();
}

/** Tries again all that the filter leaves, a thousand a call. */
async function retryAll() {
  let count = 0;
  let cursor = null;
  do {
    const query = new URLSearchParams([...filter(), ...(cursor ? [['cursor', cursor]] : [])]);
    const done = await ask(`/api/v1/events/retry?${query}`, 'POST');
    count += done.count;
    cursor = done.cursor;
  } while (cursor);
  $('news').textContent = count === 1 ? '1 event is tried again' : `${count} events are tried again`;
  await refresh();
}

let gathering = null;
/** Looks again, once for all changes of a moment. */
function changed(news) {
  if (news && news.status === 'failed') $('news').textContent = `${news.type} failed`;
  gathering ??= new Promise((done) => setTimeout(done, GATHER_MS)).then(async () => {
    gathering = null;
    await trying(refresh);
  });
  return gathering;
}

$('statuses').append(...STATUSES.map(([value, word]) => h('button.quiet', {
  type: 'button', 'aria-pressed': String(value === status),
  onclick(event) {
    status = value;
    for (const each of $('statuses').children) each.setAttribute('aria-pressed', String(each === event.currentTarget));
    pages = 1;
    remember();
    trying(load);
  },
}, word)));
$('type').append(...TYPES.map((type) => h('option', { value: type }, type)));
for (const name of FIELDS) $(name).value = wanted.get(name) ?? '';
$('filters').addEventListener('input', () => {
  pages = 1;
  remember();
  changed(null);
});
$('filters').addEventListener('submit', (event) => event.preventDefault());
$('more').addEventListener('click', () => {
  pages += 1;
  trying(load);
});
$('retry-all').addEventListener('click', () => {
  $('retry-dialog').returnValue = '';
  $('retry-dialog').showModal();
});
$('retry-dialog').addEventListener('close', () => {
  if ($('retry-dialog').returnValue === 'ok') trying(retryAll);
});
$('close').addEventListener('click', close);
$('change-token').addEventListener('click', () => askForToken(null));
$('token-dialog').addEventListener('close', () => {
  if (!$('token').value) return;
  useToken($('token').value);
  $('token').value = '';
  trying(refresh);
});
addEventListener('hashchange', () => {
  const event = new URLSearchParams(location.hash.slice(1)).get('event');
  if (event && event !== chosen) trying(() => choose(event, false));
});

await trying(refresh);
document.body.dataset.ready = 'true';
followPauses();
follow(changed, (word, isLive) => {
  if ($('state').textContent !== word) $('state').textContent = word;
  $('state').classList.toggle('on', isLive);
});
