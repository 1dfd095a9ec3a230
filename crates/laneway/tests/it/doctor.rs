//! `laneway doctor`, against the sandbox: what is right, what is wrong and how to mend it, and what cannot be told.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Finished, Shop, run, shown};

fn doctor(shop: &Shop, more: &[&str]) -> Finished {
    let config = shop.config();
    run(&[&["doctor", "--config", shown(&config)], more].concat())
}

/// The results of a check, in the order of the rows.
#[track_caller]
fn results(examined: &Finished, check: &str) -> Vec<(String, Value)> {
    let rows = examined.json()["checks"].as_array().unwrap().clone();
    let rows = rows.into_iter().filter(|row| row["check"] == check);
    rows.map(|row| (row["result"].as_str().unwrap().to_owned(), row["fix"].clone())).collect()
}

/// A shop that receives notifications.
fn shop() -> Shop {
    let shop = Shop::open();
    fs::write(shop.path("app_secret"), shop.world.own("app_secret")).unwrap();
    fs::write(shop.path("verify"), "open-sesame").unwrap();
    let app =
        "[[app]]\nname = \"main\"\napp_secrets = [\"file:app_secret\"]\nverify_token = \"file:verify\"\n";
    shop.configure(&shop.world.host.url(), app);
    rewrite(&shop, "graph_url = ", "app = \"main\"\ngraph_url = ");
    shop
}

/// Writes something else into the configuration.
#[track_caller]
fn rewrite(shop: &Shop, what: &str, by: &str) {
    let config = fs::read_to_string(shop.config()).unwrap();
    let changed = config.replacen(what, by, 1);
    assert_ne!(changed, config);
    fs::write(shop.config(), changed).unwrap();
}

/// The only row of a check that fails, which has to say what to do.
#[track_caller]
fn failed(examined: &Finished, check: &str) {
    assert_eq!(examined.code, 1, "{examined:?}");
    let [(result, fix)] = results(examined, check).try_into().unwrap();
    assert_eq!(result, "failed", "{check}: {examined:?}");
    assert!(fix.is_string(), "{check}");
}

#[test]
fn a_good_configuration_has_no_failing_row() {
    let shop = shop();
    let asked = |path: &str| {
        shop.world.rows("/sandbox/requests").iter().any(|row| row["path"].as_str().unwrap().contains(path))
    };
    let examined = doctor(&shop, &["--json"]);
    assert_eq!(examined.code, 0, "{examined:?}");
    for check in ["token works", "number and id", "data set of the WABA", "subscribed apps"] {
        assert_eq!(results(&examined, check), [("ok".to_owned(), Value::Null)], "{check}");
    }
    // What nothing that was asked can tell is not guessed.
    for check in ["token scopes and expiry", "callback reachable"] {
        assert_eq!(results(&examined, check), [("unknown".to_owned(), Value::Null)], "{check}");
    }
    assert!(!asked("/debug_token"), "the token is in no address unless that was asked for");
    let serve = shop.serve();
    let callback = format!("--callback-url={}", serve.gateway.0.url());
    let table = doctor(&shop, &["--ask-token", &callback]);
    assert_eq!(table.stdout.lines().filter(|line| line.starts_with("ok ")).count(), 6, "{}", table.stdout);
    assert!(
        table.stdout.contains("It never expires; it has whatsapp_business_management"),
        "{}",
        table.stdout
    );
    assert!(!table.stdout.contains(shop.world.own("access_token")));
    assert!(asked("/debug_token"));

    fs::write(shop.path("verify"), "another-word").unwrap();
    failed(&doctor(&shop, &["--json", &callback]), "callback reachable");
    serve.process.stop();
}

#[test]
fn every_mistake_has_its_row_and_its_fix() {
    let shop = shop();
    rewrite(&shop, shop.world.own("dataset_id"), "99999");
    let id = format!("phone_number_id = \"{}", shop.world.own("phone_number_id"));
    rewrite(&shop, &id, "phone_number_id = \"88888");
    let subscription = format!("/v26.0/{}/subscribed_apps", shop.world.own("waba_id"));
    let bearer = format!("Bearer {}", shop.world.own("access_token"));
    let graph = shop.world.host.with("authorization", &bearer);
    assert_eq!(graph.send("DELETE", &subscription, "").unwrap().status, 200);
    let examined = doctor(&shop, &["--json"]);
    for check in ["number and id", "data set of the WABA", "subscribed apps"] {
        failed(&examined, check);
    }
    assert_eq!(results(&examined, "token works")[0].0, "ok");

    let token = json!({"access_token": shop.world.own("access_token")}).to_string();
    assert_eq!(shop.world.host.post("/sandbox/tokens/revoke", &token).status, 200);
    let examined = doctor(&shop, &["--json", "--ask-token"]);
    for check in ["token works", "token scopes and expiry"] {
        failed(&examined, check);
    }
    for check in ["number and id", "data set of the WABA", "subscribed apps"] {
        assert_eq!(results(&examined, check)[0].0, "unknown", "{check}");
    }
    assert!(!examined.stdout.contains(shop.world.own("access_token")));
}

#[test]
fn what_the_configuration_leaves_out_is_examined_too() {
    let shop = shop();
    let config = fs::read_to_string(shop.config()).unwrap();
    let left =
        config.lines().filter(|line| !line.starts_with("numbers = ") && !line.starts_with("dataset_id = "));
    fs::write(shop.config(), left.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    // Nothing is remembered yet.
    let examined = doctor(&shop, &["--json"]);
    assert_eq!(results(&examined, "number and id")[0].0, "ok", "{examined:?}");
    assert_eq!(results(&examined, "data set of the WABA")[0].0, "unknown");
    // What was remembered is not so any more.
    let number = json!({"number": "+316098765499", "phone_number_id": "88888"});
    let waba = shop.world.own("waba_id");
    let told = json!({"version": 1, "datasets": {waba: "99999"}, "numbers": {waba: [number]}});
    fs::create_dir(shop.path("data")).unwrap();
    fs::write(shop.path("data").join("discovered.json"), told.to_string()).unwrap();
    let examined = doctor(&shop, &["--json"]);
    for check in ["number and id", "data set of the WABA"] {
        failed(&examined, check);
    }
}

#[test]
fn a_number_that_two_wabas_claim_has_a_row() {
    let shop = Shop::open();
    shop.leave_out_numbers(&shop.world.host.url());
    let numbers =
        format!(r#"numbers = [{{ number = "{}", phone_number_id = "88888" }}]"#, shop.world.number());
    shop.add_account("salon", "99999", &numbers);
    let examined = doctor(&shop, &["--json"]);
    failed(&examined, "number of one WABA");
    let stays = r#"that of the WABA 99999 of the account \"salon\" already"#;
    assert!(examined.stdout.contains(stays), "{}", examined.stdout);
}
