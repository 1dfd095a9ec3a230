//! What becomes of conversions whose answer is lost, by policy, as the sandbox's ledger shows it. The table that comes of
//! it stands in `docs/delivery.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Serve, Shop};

/// How many conversions each case sends, all in one call.
const CONVERSIONS: usize = 20;

/// What goes wrong with the first call.
struct Trouble {
    name: &'static str,
    /// The sandbox's fault rule.
    fault: &'static str,
    /// Whether the gateway is killed before the answer comes.
    kill: bool,
}

const TROUBLES: [Trouble; 4] = [
    Trouble {
        name: "the connection is cut before the effect",
        fault: r#"{"call":"events","cut":"before","when":{"next":1}}"#,
        kill: false,
    },
    Trouble {
        name: "the connection is cut after the effect",
        fault: r#"{"call":"events","cut":"after","when":{"next":1}}"#,
        kill: false,
    },
    Trouble {
        name: "200, and nothing was received",
        fault: r#"{"call":"events","lie":true,"when":{"next":1}}"#,
        kill: false,
    },
    Trouble {
        name: "the gateway is killed after the effect",
        fault: r#"{"call":"events","latency":"60s","when":{"next":1}}"#,
        kill: true,
    },
];

/// Sends the conversions into the trouble, and counts: received twice, never received, and how they ended.
fn play(policy: &str, trouble: &Trouble) -> String {
    let shop = Shop::open();
    let text = fs::read_to_string(shop.config()).unwrap();
    let policy_line = format!("name = \"shop\"\non_lost_answer = \"{policy}\"\n");
    fs::write(shop.config(), text.replace("name = \"shop\"\n", &policy_line)).unwrap();
    let mut serve = shop.serve();
    let click = shop.world.user_writes(CUSTOMER, "Saw your ad").click;
    shop.world.host.post("/sandbox/faults", trouble.fault);
    let event = json!({"channel": "WhatsApp", "event": {"type": "LeadSubmitted", "custom": {"ctwa_clid": click}},
        "from": {"number": shop.world.number()}, "to": {"number": CUSTOMER}});
    let answer =
        serve.gateway.0.post("/api/v1/events", &json!({"events": vec![event; CONVERSIONS]}).to_string());
    let ids = answer.json()["events"].as_array().unwrap().clone();
    if trouble.kill {
        shop.world.rows(&format!("/sandbox/conversions?wait=20s&count={CONVERSIONS}"));
        serve.process.kill();
        serve = shop.serve();
    }
    count(&shop, &serve, &ids)
}

fn count(shop: &Shop, serve: &Serve, ids: &[Value]) -> String {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut marked = 0;
    for id in ids {
        let event = serve.gateway.ended(id["id"].as_str().unwrap());
        *ends.entry(event["status"].as_str().unwrap().to_owned()).or_default() += 1;
        marked += usize::from(event["possibly_duplicate"].as_bool().unwrap());
    }
    let mut received: BTreeMap<String, usize> = BTreeMap::new();
    for row in shop.world.rows("/sandbox/conversions") {
        *received.entry(row["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice = received.values().filter(|times| **times > 1).count();
    let never = CONVERSIONS - received.len();
    let ends: Vec<String> = ends.iter().map(|(status, count)| format!("{count} `{status}`")).collect();
    format!("{twice} | {never} | {marked} | {}", ends.join(", "))
}

#[test]
fn the_documented_table_is_what_happens() {
    let cases: Vec<(&str, &Trouble)> = ["resend", "hold"]
        .into_iter()
        .flat_map(|policy| TROUBLES.iter().map(move |one| (policy, one)))
        .collect();
    let rows = std::thread::scope(|threads| {
        let played: Vec<_> = cases
            .iter()
            .map(|(policy, trouble)| {
                threads
                    .spawn(move || format!("| {} | `{policy}` | {} |", trouble.name, play(policy, trouble)))
            })
            .collect();
        played.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/delivery.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once("<!-- table: in doubt -->\n").unwrap();
    let (table, _) = after.split_once("<!-- end of table -->").unwrap();
    let documented: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows, documented, "\nwhat happened:\n{}\n", rows.join("\n"));
}
