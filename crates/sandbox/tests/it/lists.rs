//! Every list waits, and nothing but the page is shown without the control token.

use std::time::Duration;

use laneway_sandbox::{FaultRule, NumberInfo, Options, Sandbox};
use serde_json::json;

use crate::receiver::Receiver;
use crate::{call, control, graph, options, start};

const CUSTOMER: &str = "+14155559876";

/// What adds a row to every list.
async fn everything_happens(sandbox: &Sandbox, business: &NumberInfo) {
    let written = sandbox.user_writes(CUSTOMER, &business.number, "Hello", true).unwrap();
    let id = &business.phone_number_id;
    let typing = json!({"messaging_product": "whatsapp", "status": "read", "message_id": written.wamid,
        "typing_indicator": {"type": "text"}});
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": CUSTOMER}]});
    let event = json!({"event_name": "LeadSubmitted", "event_time": sandbox.clock().now_ms() / 1_000,
        "action_source": "business_messaging", "messaging_channel": "whatsapp", "user_data":
        {"whatsapp_business_account_id": business.waba_id, "ctwa_clid": written.ctwa_clid}});
    for (path, body) in [
        (format!("{id}/messages"), typing),
        (format!("{id}/block_users"), users),
        (format!("{}/events", business.dataset_id), json!({"data": [event]})),
    ] {
        assert_eq!(graph(sandbox, business, &format!("POST /{path}"), &body).await.status, 200, "{path}");
    }
    sandbox.add_fault(FaultRule { code: Some(4), ..FaultRule::default() }).unwrap();
    control(sandbox, "POST /sandbox/numbers", "{}").await;
}

#[tokio::test]
async fn every_list_answers_when_the_rows_are_there() {
    let (sandbox, receiver) = (start().await, Receiver::start().await);
    let business = &sandbox.numbers()[0];
    sandbox.set_webhook(&business.number, &receiver.url, "").unwrap();
    // One row more than a fresh world has.
    let lists = [
        ("numbers", 2),
        ("messages", 2),
        ("chats", 2),
        ("webhooks", 1),
        ("blocklist", 1),
        ("conversions", 1),
        ("typing", 1),
        ("requests", 3),
        ("faults", 1),
    ];
    let address = sandbox.address();
    let waiting = lists.map(|(list, count)| {
        let request = format!("GET /sandbox/{list}?wait=60s&count={count}");
        tokio::spawn(async move { call(address, &request, &[], "").await.json() })
    });
    for (list, _) in lists {
        let early = control(&sandbox, &format!("GET /sandbox/{list}?wait=1ms&count=9"), "").await;
        assert_eq!(early.status, 200, "{list}");
    }
    everything_happens(&sandbox, business).await;
    for ((list, count), rows) in lists.into_iter().zip(waiting) {
        let rows = tokio::time::timeout(Duration::from_secs(30), rows).await.expect(list).unwrap();
        assert!(rows.as_array().unwrap().len() >= count, "{list}: {rows}");
    }
}

#[tokio::test]
async fn every_control_call_asks_for_the_token() {
    let guarded = Options { control_token: Some("open sesame".to_owned()), ..options() };
    let sandbox = Sandbox::start(guarded).await.unwrap();
    for request in [
        "GET /sandbox/numbers",
        "POST /sandbox/numbers",
        "PUT /sandbox/numbers/+316098765432/webhook",
        "DELETE /sandbox/numbers/+316098765432/webhook",
        "GET /sandbox/webhooks",
        "POST /sandbox/webhooks/1/redeliver",
        "GET /sandbox/messages",
        "POST /sandbox/messages",
        "POST /sandbox/messages/read",
        "POST /sandbox/people/+316012345678/change-number",
        "GET /sandbox/chats",
        "GET /sandbox/blocklist",
        "GET /sandbox/conversions",
        "GET /sandbox/typing",
        "GET /sandbox/requests",
        "GET /sandbox/faults",
        "POST /sandbox/faults",
        "DELETE /sandbox/faults",
        "GET /sandbox/clock",
        "POST /sandbox/clock",
        "GET /sandbox/switches",
        "POST /sandbox/switches",
        "POST /sandbox/tokens/revoke",
        "POST /sandbox/tokens/restore",
        "POST /sandbox/reset",
        "GET /sandbox/state",
        "PUT /sandbox/state",
        "GET /sandbox/live",
        "PATCH /sandbox/state",
        "GET /sandbox/nothing",
    ] {
        let refused = call(sandbox.address(), request, &[], "{}").await;
        assert_eq!(refused.status, 401, "{request}");
        let wrong = [("authorization", "Bearer sesame")];
        assert_eq!(call(sandbox.address(), request, &wrong, "{}").await.status, 401, "{request}");
        if request != "GET /sandbox/live" {
            let right = [("authorization", "Bearer open sesame")];
            let answer = call(sandbox.address(), request, &right, "{}").await;
            assert_ne!(answer.status, 401, "{request}");
        }
    }
}
