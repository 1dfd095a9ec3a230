// The page: its state, how it follows the sandbox, and what its buttons do.

import * as api from './api.js';
import { createBehind } from './behind.js';
import { CALLS_SHOWN } from './calls.js';
import { $, follow, h, say } from './dom.js';
import { createInbox } from './inbox.js';
import { createPhone } from './phone.js';
import { countdown, phone as shown, seconds } from './words.js';

const MESSAGES_SHOWN = 200;
const LEDGER_SHOWN = 2000;
const TICK_MS = 500;
/** Asked for only where the sandbox's own list of calls has it. */
const has = (path) => $('reference').textContent.includes(path);
const HAS_WEBHOOKS = has('/sandbox/webhooks');

const state = {
  numbers: [], business: null, user: null, chats: [], chat: null, messages: [], phoneChats: [], calls: [], blocked: [], ledger: [],
  ledgerBefore: 0, faults: [], webhooks: null, gateway: null, offset: 0, skew: 0,
};
const now = () => Date.now() + state.skew;
let wanted = new URLSearchParams(location.hash.slice(1));

const actions = {
  context: () => ({ sandbox: location.origin, numbers: state.numbers, business: state.business }),
  announce: (text) => say($('news'), text),

  write: (text, ad) => doing(() => api.post('/sandbox/messages', { from: state.user, to: state.business.number, text, ad })),
  reply: (text) => doing(async () => {
    const body = { messaging_product: 'whatsapp', to: state.user, type: 'text', text: { body: text } };
    accept(await api.graph(state.business, 'POST', `${state.business.phone_number_id}/messages`, body));
  }),
  openChat: () => doing(() => api.post('/sandbox/messages/read', { user: state.user, business: state.business.number })),
  setWebhook: (url, verifyToken) => doing(() =>
    api.put(`/sandbox/numbers/${state.business.number}/webhook`, { url, verify_token: verifyToken })),
  removeWebhook: () => doing(() => api.remove(`/sandbox/numbers/${state.business.number}/webhook`)),
  read: (wamid) => doing(() => event('MarkAsRead', state.user, { message_id: wamid ?? lastReceived()?.wamid })),
  typing: () => doing(() => event('Typing', state.user, { message_id: lastReceived()?.wamid })),
  event: (type, user = state.user) => doing(() => event(type, user)),
  conversion: (type, click, value, currency) => doing(() => {
    const money = value === '' ? {} : { value, currency };
    return event(type, state.user, { ctwa_id: click, ...money });
  }),
  addFault: (rule) => doing(() => api.post('/sandbox/faults', rule)),
  removeFaults: (id) => doing(() => api.remove(`/sandbox/faults${id === undefined ? '' : `?id=${id}`}`)),
  redeliver: (n) => doing(() => api.post(`/sandbox/webhooks/${n}/redeliver`, {})),
  advance: (by) => doing(() => api.post('/sandbox/clock', { advance: by })),

  chooseBusiness(number) {
    if (state.business.number === number) return;
    state.business = state.numbers.find((each) => each.number === number);
    state.messages = [];
    refresh({ world: true });
  },
  choose(user) {
    if (state.user === user) return;
    state.user = user;
    state.messages = [];
    refresh({ world: true });
  },
  open({ call }) {
    view('behind');
    if (!behind.openCall(call.n)) toast(`Call ${call.n} is older than what is shown here.`);
  },
  async show({ wamid, person, ledger }) {
    if (ledger !== undefined) {
      view('behind');
      return behind.openLedger(ledger);
    }
    if (person) {
      const row = state.chats.find((each) => each.user === person || each.user_id === person);
      if (row) actions.choose(row.user);
      return view('phone');
    }
    if (!state.messages.some((each) => each.wamid === wamid)) {
      const all = await api.get(`/sandbox/messages?${api.query({ business: state.business.number })}`);
      const row = all.find((each) => each.wamid === wamid);
      if (!row) return toast('That message is no longer there.');
      state.user = row.user;
      await refresh({ world: true });
    }
    // To be shown a message is not to open the chat on the phone, which would mark it read.
    const side = !phone.isOpen() && $(`inbox-${wamid}`) ? 'inbox' : 'phone';
    if (side === 'phone') phone.open();
    view(side);
    const line = $(`${side}-${wamid}`);
    line?.scrollIntoView({ block: 'center' });
    line?.focus({ preventScroll: true });
    line?.classList.remove('shown');
    requestAnimationFrame(() => line?.classList.add('shown'));
  },
  eventLink(id) {
    if (!state.gateway) return h('span.chip.still', { title: id }, id);
    return h('a.chip', { href: `${state.gateway}/console#event=${id}&sandbox=${location.origin}`, target: '_blank', rel: 'noopener', 'data-focus': id, title: 'Show the event in the console' }, `${id} ↗`);
  },
  async copy(text, said) {
    try {
      await navigator.clipboard.writeText(text);
      toast(said);
    } catch {
      // Without the right to the clipboard the text is shown, to be copied by hand; Escape puts it away.
      $('toast').replaceChildren(h('pre', { tabindex: '0' }, text));
      $('toast').classList.add('up');
      clearTimeout(toastTimer);
    }
    $('toast').dataset.copied = text;
  },
};

const phone = createPhone($('phone-body'), actions);
const inbox = createInbox($('inbox-body'), actions);
const behind = createBehind($('behind-body'), actions);

/** Runs what a button does; `true` if it went well. */
async function doing(action) {
  try {
    await action();
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

function accept({ status, body }) {
  const error = body?.error;
  if (status >= 400) throw new Error(error ? `${error.code}: ${error.error_data?.details ?? error.message}` : `HTTP ${status}`);
}

const lastReceived = () =>
  state.messages.findLast((message) => message.direction === 'in' && message.reached_business);

/** Submits an event to the gateway; without one, makes the call that the gateway would make. */
async function event(type, user, custom) {
  const { business, gateway } = state;
  if (gateway) {
    const own = custom ? { type, custom } : { type };
    return api.submit(gateway, { channel: 'WhatsApp', event: own, from: { number: business.number }, to: { number: user } });
  }
  const messages = `${business.phone_number_id}/messages`;
  const blocks = `${business.phone_number_id}/block_users`;
  const read = { messaging_product: 'whatsapp', status: 'read', message_id: custom?.message_id };
  const users = { messaging_product: 'whatsapp', block_users: [{ user }] };
  switch (type) {
    case 'MarkAsRead': return accept(await api.graph(business, 'POST', messages, read));
    case 'Typing': return accept(await api.graph(business, 'POST', messages, { ...read, typing_indicator: { type: 'text' } }));
    case 'Block': return accept(await api.graph(business, 'POST', blocks, users));
    case 'UnBlock': return accept(await api.graph(business, 'DELETE', blocks, users));
    default: {
      const { ctwa_id: clid, value, currency } = custom;
      const data = [{
        event_name: type, event_time: Math.floor(now() / 1000), action_source: 'business_messaging',
        messaging_channel: 'whatsapp', user_data: { whatsapp_business_account_id: business.waba_id, ctwa_clid: clid },
        ...(value === undefined ? {} : { custom_data: { currency, value: Number(value) } }),
      }];
      return accept(await api.graph(business, 'POST', `${business.dataset_id}/events`, { data }));
    }
  }
}

// Following the sandbox.

let running = null;
let due = {};

/** Whether it is known whose chat is shown; it is not at first, nor after another business was chosen. */
const isKnown = () => Boolean(state.business && state.user);

/** Fetches what may have changed. While that is under way, further wishes are gathered. */
function refresh(what) {
  due = { world: due.world || what.world, log: due.log || what.log };
  running ??= (async () => {
    try {
      while (due.world || due.log) {
        const { world } = due;
        due = {};
        if (world) await fetchWorld();
        await fetchLog();
        if (isKnown()) render();
      }
    } catch (error) {
      if (error.status === 401 || error.status === 403) askForToken(error);
      else toast(error.message);
    } finally {
      running = null;
    }
  })();
  return running;
}

async function fetchWorld() {
  state.numbers = await api.get('/sandbox/numbers');
  const kept = state.business?.number ?? wanted.get('business') ?? '';
  state.business = state.numbers.find((each) => each.number.endsWith(kept.replace(/\D/g, ''))) ?? state.numbers[0];
  const business = state.business.number;
  const [chats, blocked] = await Promise.all([
    api.get(`/sandbox/chats?${api.query({ business })}`),
    api.get(`/sandbox/blocklist?${api.query({ business })}`),
    fetchLedger(),
  ]);
  state.chats = chats;
  state.blocked = blocked;
  state.user ??= (wanted.get('user') ? `+${wanted.get('user').replace(/\D/g, '')}` : null) ?? chats[0]?.user ?? someNumber();
  const user = state.user;
  const [messages, phoneChats] = await Promise.all([
    api.get(`/sandbox/messages?${api.query({ business, user, last: MESSAGES_SHOWN })}`),
    api.get(`/sandbox/chats?${api.query({ user })}`),
  ]);
  if (user !== state.user || business !== state.business.number) return;
  state.phoneChats = phoneChats;
  const before = state.messages;
  state.messages = messages;
  state.chat = chats.find((each) => each.user === user) ?? null;
  tell(before, messages);
}

/** The ledger's newest rows. A large one is not fetched as a whole again for every new row. */
async function fetchLedger() {
  const dataset = state.business.dataset_id;
  if (state.ledgerOf !== dataset) Object.assign(state, { ledger: [], ledgerBefore: 0, ledgerOf: dataset });
  const rows = await api.get(`/sandbox/conversions?${api.query({ dataset, since: state.ledgerBefore })}`);
  const excess = Math.max(0, rows.length - LEDGER_SHOWN);
  // After a reset there are fewer rows than were left out.
  if (rows.length === 0 && state.ledgerBefore > 0) {
    state.ledgerBefore = 0;
    return fetchLedger();
  }
  state.ledgerBefore += excess;
  state.ledger = rows.slice(excess);
}

async function fetchLog() {
  const since = Math.max(0, (state.latest ?? 0) - CALLS_SHOWN);
  [state.calls, state.faults, state.webhooks] = await Promise.all([
    api.get(`/sandbox/requests?since=${since}`),
    api.get('/sandbox/faults'),
    HAS_WEBHOOKS ? api.get(`/sandbox/webhooks?${api.query({ business: state.business.number })}`) : null,
  ]);
}

/** Says what happened in the chat to whoever does not see it. */
function tell(before, after) {
  if (before.length === 0) return;
  const old = new Map(before.map((message) => [message.wamid, message]));
  for (const message of after) {
    const was = old.get(message.wamid);
    const isMine = message.direction === 'in';
    if (was && !was.read_at && message.read_at) {
      actions.announce(`${isMine ? 'The business' : 'The customer'} has read: ${message.text}`);
    }
    if (!was && !isMine && !phone.isOpen()) actions.announce('A message has come to the customer’s phone');
    if (!was && !message.reached_business) actions.announce('The message did not arrive: this business has blocked you');
  }
}

const someNumber = () => `+3160${String(Math.floor(Math.random() * 1e8)).padStart(8, '0')}`;

function render() {
  const at = now();
  options($('business'), state.numbers.map((each) => each.number), state.business.number);
  const people = state.chats.map((each) => each.user);
  options($('person'), people.includes(state.user) ? people : [state.user, ...people], state.user);
  $('business').disabled = state.numbers.length < 2;
  phone.render(state, at);
  inbox.render(state, at);
  behind.render(state, at);
  document.body.dataset.ready = 'true';
  tick();
  openWanted();
}

function options(select, numbers, chosen) {
  follow(select, numbers, (number) => number, (number) => number, (number) => h('option', { value: number }, shown(number)));
  select.value = chosen;
}

function tick() {
  if (!isKnown()) return;
  const at = now();
  say($('clock-now'), seconds(at));
  phone.tick(state, at);
  inbox.tick(state, at);
  behind.tick(state, at);
  const left = state.chat?.window_until ? Date.parse(state.chat.window_until) - at : 0;
  document.title = left > 0 ? `${shown(state.user)} · ${countdown(left)} · sandbox` : `${shown(state.user)} · sandbox`;
}

/** Opens what the address asks for: `#trace=`, `#event=`, `#wamid=` or `#tab=`. */
function openWanted() {
  const call = state.calls.find((each) =>
    each.trace_id === wanted.get('trace') || each.events.includes(wanted.get('event')));
  if (call) actions.open({ call });
  if (wanted.get('wamid')) actions.show({ wamid: wanted.get('wamid') });
  if (wanted.get('tab')) {
    view('behind');
    behind.select(wanted.get('tab'));
  }
  for (const name of ['trace', 'event', 'wamid', 'tab']) wanted.delete(name);
}

/** A link into the page, followed while it is open. */
addEventListener('hashchange', () => {
  wanted = new URLSearchParams(location.hash.slice(1));
  const business = wanted.get('business')?.replace(/\D/g, '');
  const user = wanted.get('user')?.replace(/\D/g, '');
  if (business) state.business = state.numbers.find((each) => each.number.endsWith(business)) ?? state.business;
  if (user) state.user = `+${user}`;
  if (business || user) state.messages = [];
  refresh({ world: true });
});

// The page's own controls.

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll('.views button')) {
    if (button.dataset.view === name) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
}

let toastTimer;
function toast(text) {
  const box = $('toast');
  box.replaceChildren(text);
  box.classList.add('up');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove('up'), 5000);
}

async function ask(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return dialog.returnValue === 'ok';
}

async function askForToken(error) {
  if ($('token-dialog').open) return;
  if (error.status === 403) return toast(error.message);
  $('token-problem').hidden = !api.hasToken();
  $('token').value = '';
  if (!(await ask($('token-dialog')))) return;
  api.useToken($('token').value);
  listen();
}

$('business').addEventListener('change', (event) => {
  state.business = state.numbers.find((each) => each.number === event.target.value);
  state.user = null;
  wanted.delete('user');
  state.messages = [];
  refresh({ world: true });
});
$('person').addEventListener('change', (event) => actions.choose(event.target.value));
$('new-person').addEventListener('click', async () => {
  $('person-number').value = someNumber();
  if (!(await ask($('person-dialog')))) return;
  actions.choose(`+${$('person-number').value.replace(/\D/g, '').replace(/^00/, '')}`);
  view('phone');
  phone.write();
});
$('person-cancel').addEventListener('click', () => $('person-dialog').close());
$('open-reset').addEventListener('click', async () => {
  if (await ask($('reset-dialog'))) doing(() => api.post('/sandbox/reset'));
});
$('open-reference').addEventListener('click', () => $('reference').showModal());
$('clock-now').addEventListener('click', () => {
  view('behind');
  behind.select('clock');
  $('tab-clock').focus();
});
$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  view('phone');
  phone.write();
});
addEventListener('keydown', (event) => event.key === 'Escape' && $('toast').classList.remove('up'));
for (const button of document.querySelectorAll('.views button')) {
  button.addEventListener('click', () => view(button.dataset.view));
}

let marks = {};
const listen = api.listen({
  marks(fresh) {
    state.skew = fresh.now_ms - Date.now();
    state.offset = fresh.offset_ms;
    state.gateway = fresh.gateway;
    state.latest = fresh.requests;
    const changed = (name) => fresh[name] !== marks[name];
    if (changed('start') || changed('world') || changed('offset_ms')) refresh({ world: true });
    else if (changed('all')) refresh({ log: true });
    marks = fresh;
  },
  state(isLive) {
    say($('state'), isLive ? 'live' : 'reconnecting');
    $('state').classList.toggle('on', isLive);
  },
  refused: askForToken,
});
setInterval(tick, TICK_MS);
