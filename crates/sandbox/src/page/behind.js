// The panel of tabs: calls, ledger, block list, webhooks, faults, clock.

import { code, copies, createCalls, toCall } from './calls.js';
import { blockCalls } from './chat.js';
import { createClock } from './clock.js';
import { follow, h, say } from './dom.js';
import { createLedger } from './ledger.js';
import { blocked as blockedRecipe, fault as faultRecipe, webhook as webhookRecipe } from './recipes.js';
import { moment, phone as shown, pretty, seconds } from './words.js';

export function createBehind(root, actions) {
  const tabs = [
    tab('calls', 'Calls', createCalls),
    tab('ledger', 'Ledger', createLedger),
    tab('blocks', 'Blocked', createBlocks),
    tab('webhooks', 'Webhooks', createWebhooks),
    tab('faults', 'Faults', createFaults),
    tab('clock', 'Clock', createClock),
  ];
  const list = h('div.tabs', { role: 'tablist', 'aria-label': 'What stands behind the chat' }, tabs.map((each) => each.button));
  root.append(list, ...tabs.map((each) => each.body));
  select('calls');

  function tab(name, title, create) {
    const count = h('span.tab-count');
    const button = h('button', {
      type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `panel-${name}`, onclick: () => select(name),
    }, title, count);
    const body = h('div.tab-panel', { role: 'tabpanel', id: `panel-${name}`, 'aria-labelledby': `tab-${name}`, tabindex: '0' });
    button.addEventListener('keydown', (event) => {
      const seen = tabs.filter((each) => !each.button.hidden);
      const at = seen.findIndex((each) => each.name === name);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: seen.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = seen[(to + seen.length) % seen.length];
      select(next.name);
      next.button.focus();
    });
    return { name, button, body, count, part: create(body, actions) };
  }

  function select(name) {
    for (const each of tabs) {
      const is = each.name === name;
      each.button.setAttribute('aria-selected', String(is));
      each.button.tabIndex = is ? 0 : -1;
      each.body.hidden = !is;
      if (is) each.button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  }

  const part = (name) => tabs.find((each) => each.name === name);
  return {
    select,
    openCall(n) {
      select('calls');
      return part('calls').part.open(n);
    },
    openLedger(n) {
      select('ledger');
      part('ledger').part.open(n);
    },
    render(state, now) {
      const counts = {
        calls: state.calls.at(-1)?.n, ledger: state.ledger.length + state.ledgerBefore, blocks: state.blocked.length,
        webhooks: state.webhooks?.length, faults: state.faults.length,
      };
      part('webhooks').button.hidden = state.webhooks === null;
      for (const each of tabs) {
        say(each.count, counts[each.name] ? ` ${counts[each.name]}` : '');
        each.part.render(state, now);
      }
    },
    tick(state, now) {
      part('clock').part.tick(state, now);
    },
  };
}

function createBlocks(root, actions) {
  const empty = h('p.empty', null, 'Nobody is blocked.');
  const list = h('ul.rows');
  root.append(empty, list);
  return {
    render(state) {
      empty.hidden = state.blocked.length > 0;
      const rows = state.blocked.slice(0, 200).map((row) => {
        const done = blockCalls(state, row.user, row.user_id).findLast(({ isBlock, error }) => isBlock && !error);
        return { ...row, call: done?.call ?? null };
      });
      follow(list, rows, (row) => row.user, ({ call, ...row }) => [row, call?.n, call?.events], (row) => h('li.flat', null,
        h('strong', null, shown(row.user)), h('span.soft', null, `since ${moment(row.blocked_at)}`),
        h('div.chips', null,
          ...toCall(actions, row.call),
          h('button.chip', { type: 'button', onclick: () => actions.show({ person: row.user }) }, '→ the chat'),
          h('button.chip', { type: 'button', onclick: () => actions.event('UnBlock', row.user) }, 'unblock'),
          ...copies(actions, blockedRecipe, row))));
    },
  };
}

/** What a notification is about: the kinds of messages and statuses in it. */
function kinds(body) {
  const changes = (body?.entry ?? []).flatMap((entry) => entry.changes ?? []).map((change) => change.value ?? {});
  const all = changes.flatMap((value) => [
    ...(value.messages ?? []).map((message) => `message, ${message.type}`),
    ...(value.statuses ?? []).map((status) => `status, ${status.status}`),
  ]);
  return [...new Set(all)].join(' · ') || 'notification';
}

function parsed(body) {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** The messages that a notification is about. */
const wamidsIn = (body) => (body?.entry ?? []).flatMap((entry) => entry.changes ?? []).flatMap(({ value }) =>
  [...(value?.messages ?? []), ...(value?.statuses ?? [])].map((each) => each.id));

/** The call that a notification is a consequence of: the one that wrote the message whose status it tells. */
function causeOf(state, row) {
  const text = String(row.body);
  return state.calls.find((call) => call.answer?.messages?.some(({ id }) => text.includes(id))) ?? null;
}

const STATES = { delivered: 'good', waiting: 'warm', sending: 'warm', given_up: 'bad', dropped: 'bad' };

function createWebhooks(root, actions) {
  const url = h('input', { id: 'webhook-url', type: 'url', required: true, placeholder: 'http://127.0.0.1:3000/webhook' });
  const verify = h('input', { id: 'webhook-verify', placeholder: 'verify token' });
  const where = h('p.mono.line-of-call');
  const remove = h('button.quiet', { type: 'button', onclick: () => actions.removeWebhook() }, 'Remove');
  const form = h('form.sheet-like', {
    onsubmit(event) {
      event.preventDefault();
      actions.setWebhook(url.value, verify.value);
    },
  }, h('label', { for: 'webhook-url' }, 'Where this business’s notifications go'), url,
  h('label', { for: 'webhook-verify' }, 'Verify token'), verify, h('div.row', null, h('button.main', { type: 'submit' }, 'Set'), remove));
  const change = h('details', null, h('summary.quiet', null, 'Another address'), form);
  let before;
  const empty = h('p.empty', null, 'No notification went out.');
  const list = h('ol.rows', { reversed: true });
  root.append(where, change, empty, list);

  function make(row) {
    const body = parsed(row.body);
    const answer = (attempt) => String(attempt.status ?? attempt.error ?? 'no answer');
    const last = row.attempts.at(-1);
    const wamids = wamidsIn(body);
    return h('li', { id: `webhook-${row.n}` }, h('details', null,
      h('summary', { 'data-focus': 'summary' }, h('span.n', null, String(row.n)), h('strong', null, kinds(body)),
        last ? h(`span.code.${last.status === 200 ? 'good' : 'bad'}`, null, answer(last)) : null,
        h(`span.pill.${STATES[row.state] ?? 'off'}`, null, row.state.replace('_', ' ')),
        last ? h('time', { datetime: last.at }, seconds(last.at)) : null),
      h('p.mono.line-of-call', null, `POST ${row.url ?? ''}`),
      h('div.chips', null,
        ...toCall(actions, row.call),
        ...[...new Set(wamids)].slice(0, 2).map((wamid) =>
          h('button.chip', { type: 'button', 'data-focus': wamid, onclick: () => actions.show({ wamid }) }, '→ its message')),
        h('button.chip', { type: 'button', 'data-focus': 'again', onclick: () => actions.redeliver(row.n) }, 'deliver again'),
        ...copies(actions, webhookRecipe, row)),
      h('ol.tries.mono', { 'aria-label': 'Deliveries' }, row.attempts.map((attempt, index) =>
        h('li', null, `${index + 1} · ${seconds(attempt.at)} · ${answer(attempt)}`))),
      row.next_attempt_at ? h('p.soft', null, `again at ${moment(row.next_attempt_at)}`) : null,
      code(pretty(body), 'The notification'),
      row.signature ? h('p.soft.mono.line-of-call', null, row.signature) : null));
  }

  return {
    render(state) {
      const rows = state.webhooks ?? [];
      const address = state.business.webhook;
      if (address !== before) change.open = !address;
      before = address;
      say(where, address ? `${shown(state.business.number)} → ${address}` : '');
      where.hidden = !address;
      remove.hidden = !address;
      empty.hidden = rows.length > 0;
      const shownRows = rows.slice(-150).reverse().map((row) => ({ ...row, call: causeOf(state, row) }));
      follow(list, shownRows, (row) => row.n, (row) => [row.state, row.attempts, row.next_attempt_at, row.call?.n], make);
    },
  };
}

const PRESETS = [
  ['dead_token', 'Dead token', '190, until it is removed'],
  ['throttled', 'Throttled', '130429, too many calls'],
  ['meta_down', 'Meta is down', '503, transient'],
  ['answer_lost', 'Answer lost', 'the effect stands, the answer is cut'],
  ['lying_200', 'Lying 200', 'success without an effect'],
  ['slow_600ms', 'Slow', 'answers come 600 ms late'],
];
const WHENS = [['1', 'the next call', { next: 1 }], ['3', 'the next 3 calls', { next: 3 }], ['e3', 'every third call', { every: 3 }], ['all', 'all calls', 'always']];

function createFaults(root, actions) {
  const when = h('select', { id: 'fault-when' }, WHENS.map(([value, text]) => h('option', { value }, text)));
  const empty = h('p.empty', null, 'Nothing fails.');
  const list = h('ul.rows');
  const clear = h('button.quiet', { type: 'button', onclick: () => actions.removeFaults() }, 'Remove all');
  const add = (preset) => actions.addFault({ call: 'any', preset, when: WHENS.find(([value]) => value === when.value)[2] });
  root.append(
    h('div.row', null, h('label', { for: 'fault-when' }, 'Strikes'), when),
    h('div.quick', { role: 'group', 'aria-label': 'Make calls fail' }, PRESETS.map(([preset, title, what]) =>
      h('button.quiet', { type: 'button', onclick: () => add(preset) }, title, h('span.soft', null, what)))),
    h('div.row.between', null, h('h3', null, 'Rules'), clear), empty, list);
  return {
    render(state) {
      empty.hidden = state.faults.length > 0;
      clear.hidden = state.faults.length === 0;
      const rows = state.faults.map((row) => ({ rule: row, hit: state.calls.findLast(({ faults }) => faults.includes(row.id)) }));
      follow(list, rows, ({ rule }) => rule.id, ({ rule, hit }) => [rule, hit?.n], ({ rule: row, hit }) => {
        const { id, struck, call, when: turn, ...what } = row;
        const name = what.preset ?? Object.entries(what).map(([key, value]) => `${key} ${value}`).join(', ');
        const turns = typeof turn === 'string' ? turn : Object.entries(turn ?? {}).map(([key, value]) => `${key} ${value}`).join(', ');
        return h('li.flat', null, h('strong', null, name), h('span.soft', null, `${call ?? 'any'} · ${turns || 'always'}`),
          h('span.pill', null, `struck ${struck}`),
          h('div.chips', null, ...toCall(actions, hit ?? null),
            h('button.chip', { type: 'button', 'aria-label': `Remove the fault ${name}`, onclick: () => actions.removeFaults(id) }, 'remove'),
            ...copies(actions, faultRecipe, row)));
      });
    },
  };
}
