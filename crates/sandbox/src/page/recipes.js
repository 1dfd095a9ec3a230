// "Copy as curl" and "copy as test": what a row shows, as something to run elsewhere. The test is a function for pytest
// that needs nothing but Python's own library.

import { about, fields } from './words.js';

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const json = (value) => JSON.stringify(value);

const HEAD = (sandbox) => `import json
import urllib.error
import urllib.request

SANDBOX = ${json(sandbox)}


def call(method, path, body=None, token=None):
    """Makes a call and returns its HTTP status and JSON."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = "Bearer " + token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SANDBOX + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)
`;

/** A Python literal of a JSON value. */
export function python(value, indent = 4) {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value !== 'object') return json(value);
  const inside = ' '.repeat(indent + 4);
  const flat = Array.isArray(value)
    ? `[${value.map((each) => python(each, indent)).join(', ')}]`
    : `{${Object.entries(value).map(([name, each]) => `${json(name)}: ${python(each, indent)}`).join(', ')}}`;
  if (flat.length + indent < 96) return flat;
  const rows = Array.isArray(value)
    ? value.map((each) => `${inside}${python(each, indent + 4)},\n`)
    : Object.entries(value).map(([name, each]) => `${inside}${json(name)}: ${python(each, indent + 4)},\n`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${rows.join('')}${' '.repeat(indent)}${close}`;
}

const test = (context, name, lines) =>
  `${HEAD(context.sandbox)}\n\ndef test_${name}():\n${lines.map((line) => `    ${line}\n`).join('')}`;

/** The business that a call is about, for its token. */
function owner(context, object) {
  const ids = (each) => [each.phone_number_id, each.waba_id, each.dataset_id];
  return context.numbers.find((each) => ids(each).includes(object)) ?? context.business;
}

function curl(method, url, headers, body) {
  const parts = ['curl -s'];
  if (method !== (body === undefined ? 'GET' : 'POST')) parts.push(`-X ${method}`);
  parts.push(quoted(url), ...headers.map((header) => `-H ${quoted(header)}`));
  if (body !== undefined) parts.push(`-d ${quoted(typeof body === 'string' ? body : json(body))}`);
  return parts.join(' ');
}

/** A Graph call. */
export const call = {
  curl(context, row) {
    const { access_token: token } = owner(context, about(row).object);
    const isForm = typeof row.body === 'string';
    const headers = [`Authorization: Bearer ${token}`];
    if (row.body !== null) headers.push(`Content-Type: application/${isForm ? 'x-www-form-urlencoded' : 'json'}`);
    return curl(row.method, context.sandbox + row.path, headers, row.body ?? undefined);
  },
  test(context, row) {
    const { object, title } = about(row);
    const business = owner(context, object);
    const name = `${title}_answers_${row.status ?? 'nothing'}`.toLowerCase().replace(/\W+/g, '_');
    const body = row.body === null ? 'None' : python(fields(row.body));
    const lines = [
      '_, numbers = call("GET", "/sandbox/numbers")',
      `token = next(each["access_token"] for each in numbers if each["phone_number_id"] == ${json(business.phone_number_id)})`,
      `status, answer = call(${json(row.method)}, ${json(row.path)}, ${body}, token)`,
      `assert status == ${row.status ?? 200}, answer`,
    ];
    const code = row.answer?.error?.code;
    if (code !== undefined) lines.push(`assert answer["error"]["code"] == ${code}`);
    else if (row.answer?.success) lines.push('assert answer["success"] is True');
    else if (row.answer?.events_received !== undefined) {
      lines.push(`assert answer["events_received"] == ${row.answer.events_received}`);
    }
    return test(context, name, lines);
  },
};

/** A customer's message. */
export const message = {
  curl: (context, row) => curl('POST', `${context.sandbox}/sandbox/messages`, [], written(row)),
  test: (context, row) => test(context, 'a_customer_writes', [
    `status, written = call("POST", "/sandbox/messages", ${python(written(row))})`,
    'assert status == 200, written',
    `_, chat = call("GET", "/sandbox/messages?user=${row.user.replace('+', '')}")`,
    'message = next(each for each in chat if each["wamid"] == written["wamid"])',
    `assert message["reached_business"] is ${python(row.reached_business)}`,
  ]),
};

const written = (row) => ({ from: row.user, to: row.business, text: row.text, ad: row.ad });

/** A conversion in the ledger. */
export const conversion = {
  curl(context, row) {
    const business = owner(context, row.sandbox.dataset_id);
    const headers = [`Authorization: Bearer ${business.access_token}`, 'Content-Type: application/json'];
    return curl('POST', `${context.sandbox}/v26.0/${row.sandbox.dataset_id}/events`, headers, { data: [received(row)] });
  },
  test(context, row) {
    const event = received(row);
    const same = Object.entries({ event_name: event.event_name, event_id: event.event_id })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `each[${json(name)}] == ${python(value)}`);
    return test(context, `${String(event.event_name).toLowerCase()}_is_in_the_ledger_once`, [
      `_, ledger = call("GET", "/sandbox/conversions?dataset=${row.sandbox.dataset_id}&wait=5s")`,
      `found = [each for each in ledger if ${same.join(' and ')}]`,
      'assert len(found) == 1, found',
      `assert found[0].get("custom_data") == ${python(event.custom_data ?? null)}`,
    ]);
  },
};

function received({ sandbox: _, ...event }) {
  return event;
}

/** A row of the block list. */
export const blocked = {
  curl(context, row) {
    const business = context.numbers.find((each) => each.number === row.business) ?? context.business;
    const headers = [`Authorization: Bearer ${business.access_token}`, 'Content-Type: application/json'];
    const body = { messaging_product: 'whatsapp', block_users: [{ user: row.user }] };
    return curl('POST', `${context.sandbox}/v26.0/${business.phone_number_id}/block_users`, headers, body);
  },
  test: (context, row) => test(context, 'the_customer_is_blocked', [
    `_, rows = call("GET", "/sandbox/blocklist?business=${row.business.replace('+', '')}&wait=5s")`,
    `assert ${json(row.user)} in [each["user"] for each in rows]`,
  ]),
};

/** A fault rule. */
export const fault = {
  curl: (context, row) => curl('POST', `${context.sandbox}/sandbox/faults`, [], rule(row)),
  test: (context, row) => test(context, 'the_fault_is_set', [
    `status, added = call("POST", "/sandbox/faults", ${python(rule(row))})`,
    'assert status == 200, added',
    '# What is to be shown goes here: the code under test makes its call.',
    '_, removed = call("DELETE", f"/sandbox/faults?id={added[\'id\']}")',
    'assert removed == {"removed": 1}',
  ]),
};

function rule({ id: _, struck: __, ...rest }) {
  return rest;
}

/** A notification that went to the business. */
export const webhook = {
  curl: (context, row) => curl('POST', `${context.sandbox}/sandbox/webhooks/${row.n}/redeliver`, [], {}),
  test(context, row) {
    const lines = [
      `_, rows = call("GET", "/sandbox/webhooks?since=${row.n - 1}&wait=5s")`,
      `assert rows[0]["state"] == ${json(row.state)}, rows[0]["attempts"]`,
      'body = json.loads(rows[0]["body"])',
    ];
    const told = JSON.parse(row.body).entry?.[0]?.changes?.[0]?.value ?? {};
    const value = 'body["entry"][0]["changes"][0]["value"]';
    if (told.messages) lines.push(`assert ${value}["messages"][0]["type"] == ${json(told.messages[0].type)}`);
    if (told.statuses) lines.push(`assert ${value}["statuses"][0]["status"] == ${json(told.statuses[0].status)}`);
    return test(context, 'the_notification_went_out', lines);
  },
};
