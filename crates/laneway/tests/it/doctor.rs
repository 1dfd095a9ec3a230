//! `laneway doctor`, against the sandbox: what is right, what is wrong and how to mend it, and what cannot be told.

use std::fs;

use serde_json::Value;

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

#[test]
fn a_good_configuration_has_no_failing_row() {
    let shop = Shop::open();
    let examined = doctor(&shop, &["--json"]);
    assert_eq!(examined.code, 0, "{examined:?}");
    for check in ["token works", "number and id", "data set of the WABA"] {
        assert_eq!(results(&examined, check), [("ok".to_owned(), Value::Null)], "{check}");
    }
    // What nothing that was asked can tell is not guessed.
    for check in ["token scopes and expiry", "subscribed apps", "callback reachable"] {
        assert_eq!(results(&examined, check), [("unknown".to_owned(), Value::Null)], "{check}");
    }
    let table = doctor(&shop, &[]);
    assert_eq!(table.stdout.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{}", table.stdout);
    assert!(!table.stdout.contains(shop.world.own("access_token")));
}

#[test]
fn every_mistake_has_its_row_and_its_fix() {
    let shop = Shop::open();
    let config = fs::read_to_string(shop.config()).unwrap();
    let wrong = config.replace(shop.world.own("dataset_id"), "99999").replace(
        &format!("phone_number_id = \"{}", shop.world.own("phone_number_id")),
        "phone_number_id = \"88888",
    );
    assert_ne!(wrong, config);
    fs::write(shop.config(), wrong).unwrap();
    let examined = doctor(&shop, &["--json"]);
    assert_eq!(examined.code, 1, "{examined:?}");
    for check in ["number and id", "data set of the WABA"] {
        let [(result, fix)] = results(&examined, check).try_into().unwrap();
        assert_eq!(result, "failed", "{check}");
        assert!(fix.is_string(), "{check}");
    }

    fs::write(shop.path("access_token"), "EAAG-revoked").unwrap();
    let examined = doctor(&shop, &["--json"]);
    assert_eq!(examined.code, 1, "{examined:?}");
    assert_eq!(results(&examined, "token works")[0].0, "failed");
    assert_eq!(results(&examined, "number and id")[0].0, "unknown");
    assert!(!examined.stdout.contains("EAAG-revoked"));
}
