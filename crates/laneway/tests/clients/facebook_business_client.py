"""Meta's own Business SDK for Python, unmodified, posting conversions. Its session names the Graph API's address in the
attribute `GRAPH`."""

import os
import time

from facebook_business.adobjects.adspixel import AdsPixel
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from sandbox_control import call, expect

session = FacebookSession(access_token=os.environ["ACCESS_TOKEN"], app_secret=os.environ["APP_SECRET"])
session.GRAPH = os.environ["GRAPH_URL"]
dataset = AdsPixel(os.environ["DATASET_ID"], api=FacebookAdsApi(session))


def purchase(ctwa_clid):
    return {
        "event_name": "Purchase",
        "event_time": int(time.time()),
        "action_source": "business_messaging",
        "messaging_channel": "whatsapp",
        "user_data": {"whatsapp_business_account_id": os.environ["WABA_ID"], "ctwa_clid": ctwa_clid},
        "custom_data": {"currency": "EUR", "value": 12.60},
    }


event = purchase(call("GET", "/sandbox/messages")[0]["ctwa_clid"])
answer = dataset.create_event(params={"data": [event]})
expect("conversion", answer["events_received"], 1)
[received] = call("GET", "/sandbox/conversions")
received.pop("sandbox")
expect("it is in the ledger", received, event)
try:
    dataset.create_event(params={"data": [purchase("made-up")]})
    raise SystemExit("a conversion without a click was taken")
except FacebookRequestError as error:
    expect("a click that never was", (error.api_error_code(), error.api_error_subcode()), (100, 2804087))
