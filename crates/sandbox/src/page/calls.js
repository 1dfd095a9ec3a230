// Every Graph call with both bodies, and the way from it to its event and its effect.

import { follow, h } from './dom.js';
import { about, fields, pretty, seconds, short, succeeded } from './words.js';
import { call as recipe } from './recipes.js';

export const CALLS_SHOWN = 150;

/** The effects of a call that can be shown: a message, a person, a row of the ledger. */
function effects(state, row) {
  const { edge, body } = about(row);
  if (!succeeded(row) && !row.answer?.block_users) return [];
  switch (edge) {
    case 'messages': {
      const wamid = body.status === 'read' ? body.message_id : row.answer?.messages?.[0]?.id;
      return wamid ? [{ text: body.status === 'read' ? 'its message' : 'the text', wamid }] : [];
    }
    case 'block_users': {
      if (row.method === 'GET') return [];
      const users = [...(row.answer?.block_users?.added_users ?? []), ...(row.answer?.block_users?.removed_users ?? [])];
      return users.slice(0, 3).map((user) => ({ text: user.input, person: user.wa_id ? `+${user.wa_id}` : user.user_id }));
    }
    case 'events': {
      const sent = (Array.isArray(body.data) ? body.data : []).map((event) => JSON.stringify(event));
      const rows = state.ledger.filter(({ sandbox: _, ...event }) => sent.includes(JSON.stringify(event)));
      return rows.slice(0, 3).map((found) => ({ text: `ledger row ${found.sandbox.n}`, ledger: found.sandbox.n }));
    }
    default:
      return [];
  }
}

/** Buttons that copy a row as a command or as a test. */
export function copies(actions, recipe_, row) {
  const button = (text, make, said) =>
    h('button.chip', { type: 'button', 'data-focus': text, onclick: () => actions.copy(make(), said) }, text);
  return [
    button('copy as curl', () => recipe_.curl(actions.context(), row), 'The command is copied'),
    button('copy as test', () => recipe_.test(actions.context(), row), 'The test is copied'),
  ];
}

/** Chips that lead to a call and to the event that it was made for. */
export function toCall(actions, call) {
  if (!call) return [];
  return [
    ...call.events.slice(0, 1).map((event) => actions.eventLink(event)),
    h('button.chip', { type: 'button', 'data-focus': 'call', onclick: () => actions.open({ call }) }, `→ call ${call.n}`),
  ];
}

export function createCalls(root, actions) {
  const empty = h('p.empty', null, 'No Graph call yet. Mark a message read, and look here again.');
  const list = h('ol.rows', { reversed: true });
  root.append(empty, list);

  function make(row) {
    const { title } = about(row);
    const kind = row.status === null ? 'cut' : succeeded(row) ? 'good' : 'bad';
    const status = row.status ?? 'cut';
    const faults = row.faults.length ? h('span.pill.warm', null, `fault ${row.faults.join(', ')}`) : null;
    const events = row.events.map((event) => actions.eventLink(event));
    return h('li', { id: `call-${row.n}` }, h('details', null,
      h('summary', { 'data-focus': 'summary' },
        h('span.n', null, String(row.n)), h('strong', null, title), h(`span.code.${kind}`, null, String(status)),
        row.events.length ? h('span.soft.mono', null, short(row.events[0])) : null,
        faults, h('time', { datetime: row.at }, seconds(row.at))),
      h('p.mono.line-of-call', null, `${row.method} ${row.path}`),
      h('div.chips', null, ...events, ...row.effects.map((effect) =>
        h('button.chip', { type: 'button', 'data-focus': effect.text, onclick: () => actions.show(effect) }, `→ ${effect.text}`)),
        ...copies(actions, recipe, row)),
      h('h4', null, 'Request'), code(row.body === null ? '(no body)' : pretty(fields(row.body)), 'Request body'),
      h('h4', null, 'Answer'),
      code(row.status === null ? '(the connection was cut)' : pretty(row.answer ?? '(no body)'), 'Answer body'),
      h('p.soft.mono', null, `trace ${row.trace_id}`)));
  }

  return {
    render(state) {
      empty.hidden = state.calls.length > 0;
      const rows = state.calls.slice(-CALLS_SHOWN).reverse().map((row) => ({ ...row, effects: effects(state, row) }));
      follow(list, rows, (row) => row.n, (row) => [row.events, row.effects], make);
    },
    open(n) {
      const item = document.getElementById(`call-${n}`);
      if (!item) return false;
      const details = item.querySelector('details');
      details.open = true;
      item.scrollIntoView({ block: 'start' });
      details.querySelector('summary').focus();
      return true;
    },
  };
}

export function code(text, label) {
  return h('pre', { tabindex: '0', 'aria-label': label, role: 'group' }, h('code', null, text));
}
