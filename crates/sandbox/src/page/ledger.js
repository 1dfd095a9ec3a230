// What Events Manager holds: every conversion as received, duplicates in red, totals per currency.

import { copies } from './calls.js';
import { follow, h } from './dom.js';
import { moment, money, pretty, short } from './words.js';
import { conversion as recipe } from './recipes.js';

const SHOWN = 200;

/** What makes two events the same to a person: the id and the name, or the whole event where it has no id. */
function identity({ sandbox: _, ...event }) {
  return event.event_id === undefined ? JSON.stringify(event) : JSON.stringify([event.event_name, event.event_id]);
}

/** The rows, each with the number of the row that it repeats. */
function withRepeats(ledger) {
  const first = new Map();
  return ledger.map((row) => {
    const key = identity(row);
    const repeats = first.get(key) ?? null;
    if (repeats === null) first.set(key, row.sandbox.n);
    return { ...row, repeats };
  });
}

/** What each currency adds up to, and how much of it is counted twice. */
export function totals(rows) {
  const sums = new Map();
  for (const row of rows) {
    const { currency, value } = row.custom_data ?? {};
    const amount = Number(value);
    if (!currency || value === undefined || Number.isNaN(amount)) continue;
    const sum = sums.get(currency) ?? { currency, count: 0, total: 0, repeated: 0 };
    sum.count += 1;
    sum.total += amount;
    if (row.repeats !== null) sum.repeated += amount;
    sums.set(currency, sum);
  }
  return [...sums.values()].sort((a, b) => a.currency.localeCompare(b.currency));
}

export function createLedger(root, actions) {
  const empty = h('p.empty', null, 'No conversion yet. Report one from the inbox, for a chat that began with an ad.');
  const sums = h('ul.totals', { 'aria-label': 'Totals per currency' });
  const warning = h('p.warning', { hidden: true });
  const cut = h('p.soft', { hidden: true });
  const list = h('ol.rows', { reversed: true });
  root.append(empty, sums, warning, cut, list);

  function make(row) {
    const data = row.custom_data ?? {};
    const value = data.value === undefined ? null : h('span.mono', null, money(Number(data.value), data.currency ?? ''));
    return h(`li${row.repeats === null ? '' : '.repeated'}`, { id: `ledger-${row.sandbox.n}` }, h('details', null,
      h('summary', { 'data-focus': 'summary' },
        h('span.n', null, String(row.sandbox.n)), h('strong', null, String(row.event_name)), value,
        row.repeats === null ? null : h('span.pill.bad', null, `duplicate of ${row.repeats}`),
        h('time', { datetime: row.sandbox.received_at }, moment(row.sandbox.received_at))),
      h('p.mono.line-of-call', null, row.event_id ? `event_id ${row.event_id}` : 'no event_id'),
      h('div.chips', null,
        String(row.event_id ?? '').startsWith('ev_') ? actions.eventLink(row.event_id) : null,
        row.call ? h('button.chip', { type: 'button', 'data-focus': 'call', onclick: () => actions.open({ call: row.call }) }, `→ call ${row.call.n}`) : null,
        row.click ? h('button.chip', { type: 'button', 'data-focus': 'click', onclick: () => actions.show({ wamid: row.click.wamid }) }, `→ click ${short(row.click.ctwa_clid, 8, 4)}`) : null,
        ...copies(actions, recipe, row)),
      h('pre', { tabindex: '0', role: 'group', 'aria-label': 'The event as received' }, h('code', null, pretty(row.event)))));
  }

  return {
    render(state) {
      const rows = withRepeats(state.ledger);
      empty.hidden = rows.length > 0;
      follow(sums, totals(rows), (sum) => sum.currency, (sum) => sum, (sum) => h('li', null,
        h('span.soft', null, `${sum.currency} · ${sum.count}`), h('strong', null, money(sum.total, sum.currency)),
        sum.repeated ? h('span.bad-text', null, `${money(sum.repeated, sum.currency)} of it twice`) : null));
      const repeated = rows.filter((row) => row.repeats !== null).length;
      warning.hidden = repeated === 0;
      warning.textContent = `${repeated} ${repeated === 1 ? 'event is' : 'events are'} counted twice: Meta does not deduplicate messaging events.`;
      cut.hidden = !state.ledgerBefore && rows.length <= SHOWN;
      cut.textContent = `Totals are of the newest ${rows.length} events; the newest ${SHOWN} are shown.`;
      const calls = state.calls.filter((call) => Array.isArray(call.body?.data));
      const shown = rows.slice(-SHOWN).reverse().map(({ repeats, ...row }) => {
        const { sandbox: _, ...event } = row;
        const text = JSON.stringify(event);
        const call = calls.findLast((each) => each.body.data.some((sent) => JSON.stringify(sent) === text)) ?? null;
        const click = state.messages.find((each) => each.ctwa_clid && each.ctwa_clid === row.user_data?.ctwa_clid) ?? null;
        return { ...row, event, repeats, call, click };
      });
      follow(list, shown, (row) => row.sandbox.n, (row) => [row.repeats, row.call?.n, row.call?.events, row.click?.wamid], make);
    },
    open(n) {
      const item = document.getElementById(`ledger-${n}`);
      if (!item) return;
      item.querySelector('details').open = true;
      item.scrollIntoView({ block: 'nearest' });
      item.querySelector('summary').focus();
    },
  };
}
