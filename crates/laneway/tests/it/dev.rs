//! `laneway dev`: what a newcomer sees, and whose directory and port it takes.

use std::fs;
use std::net::TcpListener;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Gateway, Host, Process, Shop, World, id_of, shown};

/// A printed command: its title, the address, and the body.
fn printed_curls(said: &str) -> Vec<(String, String)> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("  curl -s "));
    let parts = lines.map(|line| line.split_once(" -d '").unwrap());
    parts.map(|(url, body)| (url.to_owned(), body.strip_suffix('\'').unwrap().to_owned())).collect()
}

/// What differs from run to run, made equal.
fn masked(said: &str, dev: &Dev) -> String {
    let mut text =
        said.replace(dev.gateway.0.address(), "GATEWAY").replace(dev.world.host.address(), "SANDBOX");
    for row in dev.world.rows("/sandbox/messages") {
        text = text.replace(row["wamid"].as_str().unwrap(), "WAMID");
        text = text.replace(row["ctwa_clid"].as_str().unwrap(), "CLICK");
    }
    for (name, mask) in [("phone_number_id", "/PHONE…/"), ("dataset_id", "/DATASET…/")] {
        text = text.replace(&format!("/{}…/", &dev.world.own(name)[..3]), mask);
    }
    text.lines().map(|line| format!("{}\n", masked_times(line))).collect()
}

/// Replaces an event's time of day and id at the start of a line, and `in N ms` anywhere.
fn masked_times(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if words.get(1).is_some_and(|word| word.starts_with("ev_")) {
        let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(digits(words[0]), "00:00:00.000", "{line}");
        assert_eq!(words[1].len(), 29, "{line}");
        (words[0], words[1]) = ("TIME", "ID");
    }
    for at in 2..words.len() {
        if words[at - 2] == "in" && words[at] == "ms" {
            words[at - 1].parse::<u32>().unwrap();
            words[at - 1] = "N";
        }
    }
    words.join(" ")
}

#[test]
fn the_first_minute_is_as_printed() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("laneway-dev"));
    dev.process.line("Report a purchase");
    let introduction: String = {
        // The line after the introduction is the last that is printed before an event ends.
        dev.process.line("ready in ");
        dev.process.said()
    };
    let curls = printed_curls(&introduction);
    assert_eq!(curls.len(), 4);
    for (url, body) in curls {
        // As `curl -d` sends it.
        let host = Host::new(url.strip_suffix("/v1.0/event").unwrap());
        let host = host.with("content-type", "application/x-www-form-urlencoded");
        let id = id_of(&host.post("/v1.0/event", &body));
        assert_eq!(dev.gateway.ended(&id)["status"], "confirmed");
        dev.process.line(&format!(" {id} "));
    }
    let before_the_end = dev.process.said();
    let shown = masked(&before_the_end, &dev);
    assert_snapshot!(shown);
    let (code, said) = dev.process.stop();
    assert_eq!((code, said), (Some(0), before_the_end));
}

#[test]
fn every_printed_address_answers() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    for name in ["phone", "console"] {
        let url = dev.process.value(&format!("  {name}   "));
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
        let answer = Host::new(&format!("http://{host}")).get(&format!("/{path}"));
        assert_eq!(answer.status, 200, "{name}: {url}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{name}");
    }
}

#[test]
fn the_gateway_is_told_of_what_happens_at_every_start() {
    let directory = TempDir::new().unwrap();
    for start in 0..2 {
        let dev = Dev::start(directory.path());
        let told = &dev.world.rows("/sandbox/webhooks?wait=20s")[0];
        let callback = format!("{}/webhooks/meta/dev", dev.gateway.0.url());
        assert_eq!((&told["url"], &told["attempts"][0]["status"]), (&json!(callback), &json!(200)));
        let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
        let message = &body["entry"][0]["changes"][0]["value"]["messages"][0];
        let chat = dev.world.chat(CUSTOMER);
        assert_eq!(message["id"], chat[start]["wamid"], "the greeting, and nothing of an earlier start");
        assert_eq!(message["referral"]["ctwa_clid"], chat[start]["ctwa_clid"]);
        assert_eq!(dev.process.stop().0, Some(0));
    }
}

#[test]
fn a_conversion_finds_the_click_that_the_sandbox_told_of() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    assert_eq!(dev.world.rows("/sandbox/webhooks?wait=20s")[0]["state"], "delivered");
    let purchase = json!({"type": "Purchase", "custom": {"currency": "EUR", "value": "12.60"}});
    let event = dev.deliver(CUSTOMER, &purchase);
    assert_eq!((&event["status"], &event["click_id"]["captured"]), (&json!("confirmed"), &json!(true)));
    let chat = dev.world.chat(CUSTOMER);
    let ledger = dev.world.rows("/sandbox/conversions");
    assert_eq!(ledger[0]["user_data"]["ctwa_clid"], chat[0]["ctwa_clid"]);
}

#[test]
fn a_number_that_tells_somebody_else_goes_on_doing_so() {
    const ELSEWHERE: &str = "http://127.0.0.1:9/hook";
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let number = dev.world.number();
    let put = format!("/sandbox/numbers/{number}/webhook");
    let body = json!({"url": ELSEWHERE, "challenge": false}).to_string();
    assert_eq!(dev.world.host.send("PUT", &put, &body).unwrap().status, 200);
    assert_eq!(dev.process.stop().0, Some(0));
    let dev = Dev::start(directory.path());
    assert_eq!(dev.world.own("webhook"), ELSEWHERE);
}

#[test]
fn a_number_that_is_added_is_told_of_too() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let added = dev.world.host.post("/sandbox/numbers", "{}").json();
    let number = added["number"].as_str().unwrap().trim_start_matches('+');
    let is_told = || dev.world.rows("/sandbox/numbers").iter().all(|row| row["webhook"].is_string());
    // `dev` looks for new numbers by itself; nothing tells when it has.
    let looks =
        (0..300).any(|_| is_told() || dev.world.rows("/sandbox/webhooks?since=9&wait=100ms").len() > 9);
    assert!(looks, "the gateway is not told of {number}");
    let message = json!({"from": "+14155559876", "to": added["number"], "text": "Hi"}).to_string();
    assert_eq!(dev.world.host.post("/sandbox/messages", &message).status, 200);
    let rows = dev.world.rows(&format!("/sandbox/webhooks?business={number}&wait=20s"));
    assert_eq!(rows[0]["attempts"][0]["status"], 200, "{rows:?}");
}

#[test]
fn a_taken_port_is_replaced_by_a_free_one() {
    let directory = TempDir::new().unwrap();
    let taken = ["127.0.0.1:0"; 2].map(|address| TcpListener::bind(address).unwrap());
    let [gateway, sandbox] = taken.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
    let dev = Process::start(&[
        "dev",
        "--listen",
        &gateway,
        "--sandbox-listen",
        &sandbox,
        "--data-dir",
        shown(directory.path()),
    ]);
    dev.line(&format!("note: {gateway} is taken; using a free port"));
    dev.line(&format!("note: {sandbox} is taken; using a free port"));
    let world = World::of(Host::new(&dev.value("sandbox=")));
    let found = Gateway(Host::new(&dev.value("gateway="))).list("");
    assert_eq!((world.number(), found.len()), ("+316098765432", 0));
}

#[test]
fn serve_fails_when_its_port_is_taken() {
    let shop = Shop::open();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = shop.config();
    let mut serve = Process::start(&["serve", "--listen", &address, "--config", shown(&config)]);
    let (code, said) = serve.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("error: cannot listen on {address}")), "{said}");
}

#[test]
fn dev_and_serve_refuse_each_others_directories() {
    let shop = Shop::open();
    let data = shop.path("data");
    drop(shop.serve());
    let dev = ["dev", "--listen=127.0.0.1:0", "--sandbox-listen=127.0.0.1:0", "--data-dir", shown(&data)];
    let (code, said) = Process::start(&dev).ended();
    assert_eq!(code, Some(1), "{said}");
    let refusal = "belongs to `laneway serve`; dev needs a directory of its own (--data-dir)";
    assert!(said.contains(&format!("error: {} {refusal}", data.display())), "{said}");

    fs::remove_dir_all(&data).unwrap();
    let (code, said) = Dev::start(&data).process.stop();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = shop.start().ended();
    assert_eq!(code, Some(1), "{said}");
    let refusal = "belongs to `laneway dev`; serve needs a directory of its own";
    assert!(said.contains(&format!("error: {} {refusal}", data.display())), "{said}");
}

#[test]
fn two_gateways_do_not_share_a_directory() {
    let shop = Shop::open();
    let _first = shop.serve();
    let (code, said) = shop.start().ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: "), "{said}");
}
