//! What is passed on of notifications, through the real binary: to whom, in which form, and signed by whom.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{CUSTOMER, Gateway, Host, Posted, Serve, Shop, TOKENS, World, receive, run, run_with};
use crate::import::Tail;
use crate::manual;

const PAGE: &str = include_str!("../../../../docs/outbox.md");
const BATCH: &str = include_str!("../../../wire/fixtures/graph/client/notifications/batch-of-two-wabas.json");

const SIGNATURE: &str = "x-hub-signature-256";
/// What the parts of each account are signed with.
const SHOP_SECRET: &str = "secret-of-the-shop";
const SALON_SECRET: &str = "secret-of-the-salon";
const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Messages of the batch, one of each account's.
const SHOP_MESSAGE: &str = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=";
const SALON_MESSAGE: &str = "wamid.HBgLMTYzMTU1NTExODEVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=";

/// The value of the header for a body that somebody with this secret has signed.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[track_caller]
fn check_signature(posted: &Posted, secret: &str) {
    assert_eq!(posted.header(SIGNATURE), signature(secret, &posted.body));
}

/// A shop that hears what Meta's app tells, and passes it on to an address in this form.
#[track_caller]
fn hearing(forward: &str) -> (Shop, TcpListener) {
    let shop = Shop::open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (file, secret) in [
        ("app_secret", shop.world.own("app_secret")),
        ("verify", "verify"),
        ("forward", SHOP_SECRET),
        ("callback", CALLBACK_SECRET),
    ] {
        fs::write(shop.path(file), secret).unwrap();
    }
    let app =
        "[[app]]\nname = \"main\"\napp_secrets = [\"file:app_secret\"]\nverify_token = \"file:verify\"\n";
    shop.configure(&shop.world.host.url(), app);
    let config = fs::read_to_string(shop.config()).unwrap();
    let waba = "[[account.waba]]\n";
    fs::write(shop.config(), config.replace(waba, &format!("{waba}app = \"main\"\n"))).unwrap();
    shop.add(&forward_to(&listener, forward));
    (shop, listener)
}

fn forward_to(listener: &TcpListener, more: &str) -> String {
    format!("[[account.forward]]\nurl = \"http://{}/inbox\"\n{more}\n", listener.local_addr().unwrap())
}

fn callback_to(listener: &TcpListener) -> String {
    let url = format!("url = \"http://{}/callbacks\"", listener.local_addr().unwrap());
    format!("[[account.callback]]\n{url}\nsecret = \"file:callback\"\n")
}

/// Has the sandbox tell the gateway what happens at its first number.
#[track_caller]
fn tell(world: &World, serve: &Serve) {
    let url = format!("{}/webhooks/meta/main", serve.gateway.0.url());
    let path = format!("/sandbox/numbers/{}/webhook", world.number().trim_start_matches('+'));
    let hook = json!({"url": url, "verify_token": "verify"}).to_string();
    assert_eq!(world.host.send("PUT", &path, &hook).unwrap().status, 200);
}

#[test]
fn a_notification_is_passed_on_with_its_own_bytes_and_signature() {
    let (shop, listener) = hearing("secret = \"file:forward\"");
    let serve = shop.serve();
    tell(&shop.world, &serve);
    for text in ["Hi", "Is it there?"] {
        let written = shop.world.user_writes(CUSTOMER, text);
        let posted = receive(&listener, "/inbox");
        let sent = shop.world.rows("/sandbox/webhooks");
        assert_eq!(std::str::from_utf8(&posted.body).unwrap(), sent.last().unwrap()["body"]);
        check_signature(&posted, shop.world.own("app_secret"));
        let message = &posted.json()["entry"][0]["changes"][0]["value"]["messages"][0];
        assert_eq!((&message["id"], &message["text"]["body"]), (&json!(written.wamid), &json!(text)));
    }
}

/// A report of CM.com's about a message, without the time.
fn report(wamid: &str, code: &str) -> Value {
    let status = json!({"code": code, "errorCode": "", "errorDescription": ""});
    json!({"messages": {"msg": {"to": CUSTOMER.replace('+', "00"), "reference": wamid, "status": status, "operator": ""}}})
}

#[test]
fn an_address_in_cm_coms_form_is_told_what_cm_com_would_tell() {
    let (shop, listener) = hearing("format = \"cm\"");
    let serve = shop.serve();
    tell(&shop.world, &serve);
    let (host, business) = (&shop.world.host, shop.world.number().replace('+', "00"));
    let next = |time: &str| {
        let posted = receive(&listener, "/inbox");
        assert_eq!((posted.header("content-type"), posted.find(SIGNATURE)), ("application/json", None));
        let mut json = posted.json();
        let time = json.pointer_mut(time).map(Value::take).unwrap();
        // Seconds, without a zone.
        assert_eq!(time.as_str().unwrap().len(), "2026-11-26T04:44:31".len(), "{time}");
        json
    };

    let written = shop.world.user_writes(CUSTOMER, "Saw your ad");
    let mut message = next("/timeUtc");
    let referral = message.pointer_mut("/message/custom/referral").map(Value::take).unwrap();
    assert_eq!(referral["ctwa_clid"], json!(written.click));
    let media = json!({"mediaUri": "", "contentType": "", "title": ""});
    assert_eq!(
        message,
        json!({
            "reference": "", "messageContext": written.wamid, "channel": "WhatsApp",
            "from": {"number": CUSTOMER, "name": "Customer 5678"}, "to": {"number": business},
            "message": {"text": "Saw your ad", "media": media, "custom": {"referral": null}},
            "groupings": ["", "", ""], "timeUtc": null,
        })
    );

    assert_eq!(shop.world.business_writes(CUSTOMER), None);
    let answer = shop.world.chat(CUSTOMER).last().unwrap()["wamid"].as_str().unwrap().to_owned();
    let expected = |code| {
        let mut report = report(&answer, code);
        report["messages"]["msg"]["received"] = Value::Null;
        report
    };
    assert_eq!(next("/messages/msg/received"), expected("0"));
    assert_eq!(next("/messages/msg/received"), expected("2"));
    let read = json!({"user": CUSTOMER, "business": shop.world.number()}).to_string();
    assert_eq!(host.post("/sandbox/messages/read", &read).status, 200);
    assert_eq!(next("/messages/msg/received"), expected("4"));

    let moved = json!({"to": "+316012345679"}).to_string();
    let path = format!("/sandbox/people/{}/change-number", CUSTOMER.trim_start_matches('+'));
    assert_eq!(host.post(&path, &moved).status, 200);
    let event = next("/timeUtc");
    let numbers = (&event["from"]["number"], &event["to"]["number"]);
    assert_eq!(numbers, (&json!(CUSTOMER), &json!(business)));
    assert_eq!(event["event"]["type"], "user_changed_number");
    assert_eq!(event["event"]["custom"]["wa_id"], "316012345679", "{event}");
}

/// One of two accounts, as the test sees it: its token's host, its listener, what is its own and nobody else's.
struct Side<'a> {
    host: Host,
    listener: &'a TcpListener,
    secret: &'static str,
    business: String,
    words: Vec<String>,
    person: &'static str,
}

impl Side<'_> {
    /// What was posted says a word of this account's, and none of the other's.
    #[track_caller]
    fn check_is_own(&self, posted: &Posted, other: &Self) {
        let text = std::str::from_utf8(&posted.body).unwrap();
        assert!(self.words.iter().any(|word| text.contains(word.as_str())), "{text}");
        assert!(!other.words.iter().any(|word| text.contains(word.as_str())), "{text}");
    }
}

/// Nothing that an account can ask for holds a word of the other's.
#[track_caller]
fn check_walls(own: &Side<'_>, other: &Side<'_>) {
    let get = |path: &str| own.host.get(path);
    for list in ["/api/v1/events", "/api/v1/outbox", "/api/v1/outbox?kind=forward", "/api/v1/pauses"] {
        let answer = get(list);
        assert_eq!(answer.status, 200, "{list}: {}", answer.body);
        for word in &other.words {
            assert!(!answer.body.contains(word.as_str()), "{word} in {list}: {}", answer.body);
        }
    }
    for (list, rows) in [("events", "events"), ("outbox", "posts"), ("outbox?kind=forward", "posts")] {
        let (path, _) = list.split_once('?').unwrap_or((list, ""));
        let listed = other.host.get(&format!("/api/v1/{list}")).json();
        let others = listed[rows].as_array().unwrap();
        assert!(!others.is_empty(), "{list}");
        for id in others.iter().map(|row| row["id"].as_str().unwrap()) {
            assert_eq!(other.host.get(&format!("/api/v1/{path}/{id}")).status, 200, "{id}");
            assert_eq!(get(&format!("/api/v1/{path}/{id}")).status, 404, "{id}");
            assert_eq!(own.host.post(&format!("/api/v1/{path}/{id}/retry"), "").status, 404, "{id}");
        }
    }
    let known = get(&format!("/api/v1/contacts/{}/{}", own.business, own.person));
    assert_eq!(known.status, 200, "{}", known.body);
    for (business, person) in [(&own.business, other.person), (&other.business, other.person)] {
        assert_eq!(get(&format!("/api/v1/contacts/{business}/{person}")).status, 404, "{business} {person}");
    }
    assert_eq!(get(&format!("/api/v1/blocklist/{}", other.business)).status, 404);
}

/// A second account in the same configuration, with another number of the sandbox's at the same app.
#[track_caller]
fn add_salon(shop: &Shop, addresses: &str) -> (Value, String) {
    let made = run(&["token", "new", "--json"]).json();
    let (hash, token) = (&made["hash"], made["token"].as_str().unwrap());
    let number = shop.world.host.post("/sandbox/numbers", "{}").json();
    fs::write(shop.path("salon_token"), number["access_token"].as_str().unwrap()).unwrap();
    fs::write(shop.path("salon_secret"), SALON_SECRET).unwrap();
    shop.add(&format!(
        r#"
[[account]]
name = "salon"
tokens = [{{ hash = {hash}, scopes = ["send", "read", "operate"] }}]

[[account.waba]]
app = "main"
id = {waba}
access_token = "file:salon_token"
dataset_id = {dataset}
graph_url = "{graph}"
numbers = [{{ number = {number}, phone_number_id = {id} }}]

{addresses}"#,
        waba = number["waba_id"],
        dataset = number["dataset_id"],
        graph = shop.world.host.url(),
        number = number["number"],
        id = number["phone_number_id"],
    ));
    (number, token.to_owned())
}

#[test]
fn two_accounts_in_one_notification_do_not_see_each_other() {
    let (shop, of_shop) = hearing("secret = \"file:forward\"");
    let [of_salon, of_salon_cm] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    shop.add(&callback_to(&of_shop));
    let addresses = [
        forward_to(&of_salon, "secret = \"file:salon_secret\""),
        forward_to(&of_salon_cm, "format = \"cm\""),
        callback_to(&of_salon),
    ];
    let (salon, token) = add_salon(&shop, &addresses.concat());
    let serve = shop.serve();
    let own = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
    let body = BATCH
        .replace("102290129340398", &own(&shop.world.business, "waba_id"))
        .replace("106540352242922", &own(&shop.world.business, "phone_number_id"))
        .replace("203400239450409", &own(&salon, "waba_id"))
        .replace("207650463353033", &own(&salon, "phone_number_id"));
    let host = Host::new(&serve.process.value("gateway="));
    let signed = host.with(SIGNATURE, &signature(shop.world.own("app_secret"), body.as_bytes()));
    assert_eq!(signed.post("/webhooks/meta/main", &body).status, 200);

    let side = |business: &Value, token: &str, secret, listener, person, words: &[&str]| Side {
        host: host.with("x-cm-producttoken", token),
        listener,
        secret,
        business: own(business, "number"),
        words: ["waba_id", "phone_number_id", "number"]
            .map(|name| own(business, name).trim_start_matches('+').to_owned())
            .into_iter()
            .chain(words.iter().map(|word| (*word).to_owned()))
            .collect(),
        person,
    };
    let words = ["16505551234", "Sheena Nelson", SHOP_MESSAGE];
    let shop_side =
        side(&shop.world.business, &TOKENS.all.text, SHOP_SECRET, &of_shop, "+16505551234", &words);
    let words = ["16315551181", "Pablo", SALON_MESSAGE];
    let salon_side = side(&salon, &token, SALON_SECRET, &of_salon, "+16315551181", &words);
    let mut followed = Tail::start(&serve.gateway, &["--json", "--token", &token]);
    for (own, other, message) in
        [(&shop_side, &salon_side, SHOP_MESSAGE), (&salon_side, &shop_side, SALON_MESSAGE)]
    {
        let part = receive(own.listener, "/inbox");
        check_signature(&part, own.secret);
        own.check_is_own(&part, other);
        assert_eq!(part.json()["entry"].as_array().unwrap().len(), 1);

        let gateway = Gateway(own.host.clone());
        let event = json!({"type": "MarkAsRead", "custom": {"message_id": message}});
        let event = gateway.deliver(&own.business, own.person, &event);
        assert_eq!(event["status"], "failed", "nobody has sent it: {event}");
        let told = receive(own.listener, "/callbacks");
        assert_eq!(told.json()["data"], event);
        own.check_is_own(&told, other);
    }
    let first = followed.line("");
    assert!(first.contains(&salon_side.business) && !first.contains(&shop_side.business), "{first}");
    let post = receive(&of_salon_cm, "/inbox");
    salon_side.check_is_own(&post, &shop_side);
    assert_eq!(post.json()["messageContext"], SALON_MESSAGE);
    check_walls(&shop_side, &salon_side);
    check_walls(&salon_side, &shop_side);
    let (_, log) = serve.process.stop();
    let written = [SHOP_SECRET, SALON_SECRET, SHOP_MESSAGE, SALON_MESSAGE, "16505551234", "16315551181"];
    shop.check_log(&log, &written);
}

#[test]
fn a_forward_about_several_persons_is_erased_with_each_of_them() {
    let (shop, listener) = hearing("secret = \"file:forward\"");
    // An address that is somebody's and where nobody answers.
    drop(listener);
    let serve = shop.serve();
    let own = |name: &str| shop.world.own(name);
    let message = |from: &str| {
        let text = json!({"body": "Hi"});
        json!({"from": from, "id": format!("wamid.{from}"), "timestamp": "1749416383", "type": "text", "text": text})
    };
    let notification = |from: &[&str]| {
        let metadata = json!({"phone_number_id": own("phone_number_id")});
        let messages: Vec<_> = from.iter().map(|from| message(from)).collect();
        let change = json!({"field": "messages", "value": {"metadata": metadata, "messages": messages}});
        json!({"entry": [{"id": own("waba_id"), "changes": [change]}]}).to_string()
    };
    let (gone, stays) = ("316012399901", "316012399902");
    let host = Host::new(&serve.process.value("gateway="));
    for from in [&[gone][..], &[gone, stays], &[stays]] {
        let body = notification(from);
        let signed = host.with(SIGNATURE, &signature(own("app_secret"), body.as_bytes()));
        assert_eq!(signed.post("/webhooks/meta/main", &body).status, 200);
    }
    let url = serve.gateway.0.url();
    let environment = [("LANEWAY_URL", url.as_str()), ("LANEWAY_TOKEN", &TOKENS.all.text)];
    let report = run_with(&["erase", gone, "--json"], &environment, "").json();
    let expected = json!({"users": [format!("+{gone}")], "events": 0, "posts": 2, "unsent": 1, "notifications": 2, "contacts": 1});
    assert_eq!(report, expected);
    let left = serve.gateway.0.get("/api/v1/outbox?kind=forward").json();
    assert_eq!(left["posts"].as_array().unwrap().len(), 1, "{left}");
}

#[test]
fn the_example_in_python_knows_both_signatures() {
    if let Err(error) = Command::new("python3").arg("--version").output() {
        manual::skipped("the example in python of docs/outbox.md", &format!("python3: {error}"));
        return;
    }
    let body = "{\"emoji\":\"\\u00e9\"}";
    let secrets = "[b'secret-of-the-app', b'secret-of-parts']";
    for (secret, expected) in [("secret-of-the-app", "True"), ("secret-of-parts", "True"), ("other", "False")]
    {
        let header = signature(secret, body.as_bytes());
        let script = format!(
            "import hashlib, hmac\n{}\nprint(is_signed(rb'{body}', '{header}', {secrets}))",
            manual::example(PAGE, "python")
        );
        let ended = Command::new("python3").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap().trim(), expected, "{secret}");
    }
}
