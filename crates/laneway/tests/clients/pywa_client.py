"""pywa, unmodified, as a business. Its `session` option takes any httpx client; this one connects to the sandbox instead of
graph.facebook.com."""

import os

import httpx
from pywa import WhatsApp
from pywa.errors import WhatsAppError

from sandbox_control import CUSTOMER, call, expect


class ToSandbox(httpx.HTTPTransport):
    def handle_request(self, request):
        sandbox = httpx.URL(os.environ["GRAPH_URL"])
        request.url = request.url.copy_with(scheme=sandbox.scheme, host=sandbox.host, port=sandbox.port)
        return super().handle_request(request)


whatsapp = WhatsApp(
    phone_id=os.environ["PHONE_NUMBER_ID"],
    token=os.environ["ACCESS_TOKEN"],
    session=httpx.Client(mounts={"all://graph.facebook.com": ToSandbox()}),
)

# pywa reads a list of blocked users only if its rows have `input`, which Meta's documented list has not.
call("POST", "/sandbox/switches", {"blocklist_shows_input": True})

message = call("GET", "/sandbox/messages")[0]
expect("mark as read", whatsapp.mark_message_as_read(message["wamid"]).success, True)
expect("it is read", call("GET", "/sandbox/messages")[0]["read_at"] is not None, True)
expect("typing", whatsapp.indicate_typing(message["wamid"]).success, True)
expect("it is shown", [row["user"] for row in call("GET", "/sandbox/typing")], [CUSTOMER])
sent = whatsapp.send_message(to=CUSTOMER, text="Hello")
expect("a text arrives", call("GET", "/sandbox/messages")[1]["wamid"], sent.id)

blocked = whatsapp.block_users([CUSTOMER])
expect("block", [user.wa_id for user in blocked.added_users], ["316012345678"])
expect("who is blocked", [user.wa_id for user in whatsapp.get_blocked_users()], ["316012345678"])
try:
    whatsapp.send_message(to=CUSTOMER, text="Hello?")
    raise SystemExit("a blocked user was written to")
except WhatsAppError as error:
    expect("a blocked user is not written to", error.code, 130403)
unblocked = whatsapp.unblock_users([CUSTOMER])
expect("unblock", [user.wa_id for user in unblocked.removed_users], ["316012345678"])
expect("nobody is blocked", call("GET", "/sandbox/blocklist"), [])

try:
    whatsapp.block_users(["+14155559876"])
    raise SystemExit("somebody who never wrote was blocked")
except WhatsAppError as error:
    expect("whoever never wrote cannot be blocked", error.code, 139100)
