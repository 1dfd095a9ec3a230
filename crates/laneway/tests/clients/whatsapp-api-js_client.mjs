// whatsapp-api-js, unmodified, as a business. Its `ponyfill.fetch` option takes any fetch; this one goes to the sandbox
// instead of graph.facebook.com.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { webcrypto } from "node:crypto";
import { pathToFileURL } from "node:url";

const { WhatsAppAPI } = await import(pathToFileURL(process.argv[2]));
const { GRAPH_URL, SANDBOX_URL, ACCESS_TOKEN, APP_SECRET, PHONE_NUMBER_ID, BUSINESS_NUMBER } = process.env;
const CUSTOMER = "316012345678";

const whatsapp = new WhatsAppAPI({
  token: ACCESS_TOKEN,
  appSecret: APP_SECRET,
  webhookVerifyToken: "open sesame",
  v: "v26.0",
  ponyfill: {
    fetch: (url, options) => fetch(String(url).replace("https://graph.facebook.com", GRAPH_URL), options),
    subtle: webcrypto.subtle,
  },
});

async function control(method, path, body) {
  const answer = await fetch(SANDBOX_URL + path, { method, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

const [message] = await control("GET", "/sandbox/messages");
assert.deepEqual(await whatsapp.markAsRead(PHONE_NUMBER_ID, message.wamid), { success: true });
assert.notEqual((await control("GET", "/sandbox/messages"))[0].read_at, null);
assert.deepEqual(await whatsapp.markAsRead(PHONE_NUMBER_ID, message.wamid, "text"), { success: true });
assert.equal((await control("GET", "/sandbox/typing"))[0].user, `+${CUSTOMER}`);

const blocked = await whatsapp.blockUser(PHONE_NUMBER_ID, { phone: CUSTOMER });
assert.equal(blocked.block_users.added_users[0].wa_id, CUSTOMER);
assert.equal((await control("GET", "/sandbox/blocklist")).length, 1);
const unblocked = await whatsapp.unblockUser(PHONE_NUMBER_ID, { phone: CUSTOMER });
assert.equal(unblocked.block_users.removed_users[0].wa_id, CUSTOMER);
assert.equal((await control("GET", "/sandbox/blocklist")).length, 0);
const byId = await whatsapp.blockUser(PHONE_NUMBER_ID, { bsuid: message.user_id });
assert.equal(byId.block_users.added_users[0].user_id, message.user_id);
await whatsapp.unblockUser(PHONE_NUMBER_ID, { bsuid: message.user_id });

// The library's own webhook: it answers the challenge and checks the signature over the raw body.
const received = [];
whatsapp.on.message = (told) => received.push(told);
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  try {
    if (request.method === "GET") {
      const asked = Object.fromEntries(new URL(request.url, "http://localhost").searchParams);
      response.end(whatsapp.get(asked));
    } else {
      await whatsapp.post(JSON.parse(body), body, request.headers["x-hub-signature-256"]);
      response.end();
    }
  } catch (error) {
    response.writeHead(typeof error.httpStatus === "number" ? error.httpStatus : 500).end(String(error));
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}/`;
await control("PUT", `/sandbox/numbers/${BUSINESS_NUMBER}/webhook`, { url, verify_token: "open sesame" });
const text = "Käsetoast / 🧀?";
const written = await control("POST", "/sandbox/messages", { from: CUSTOMER, to: BUSINESS_NUMBER, text, ad: true });
const [row] = await control("GET", "/sandbox/webhooks?wait=20s&count=1");
assert.equal(row.attempts[0].status, 200, JSON.stringify(row.attempts));
assert.equal(received[0].message.id, written.wamid);
assert.equal(received[0].message.text.body, text);
assert.equal(received[0].message.referral.ctwa_clid, written.ctwa_clid);
server.close();
