//! A data set that the configuration leaves out: looked up, made if there is none, and remembered.

use std::fs;

use serde_json::json;

use crate::harness::{CUSTOMER, Shop};

#[test]
fn a_data_set_that_is_left_out_is_made_and_remembered() {
    let mut shop = Shop::open();
    let mut business = shop.world.host.post("/sandbox/numbers", r#"{"dataset":false}"#).json();
    business["dataset_id"] = json!("0");
    shop.world.business = business;
    fs::write(shop.path("access_token"), shop.world.own("access_token")).unwrap();
    shop.configure(&shop.world.host.url(), "");
    let config = fs::read_to_string(shop.config()).unwrap().replace("dataset_id = \"0\"\n", "");
    fs::write(shop.config(), config).unwrap();

    let asked = || {
        let rows = shop.world.rows("/sandbox/requests");
        let paths = rows.iter().filter(|row| row["path"].as_str().unwrap().ends_with("/dataset"));
        paths.map(|row| row["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for _ in ["first", "restarted"] {
        let serve = shop.serve();
        let click = shop.world.user_writes(CUSTOMER, "Hi").click;
        let purchase =
            json!({"type": "Purchase", "custom": {"ctwa_id": click, "currency": "EUR", "value": "12.60"}});
        let event = serve.gateway.deliver(shop.world.number(), CUSTOMER, &purchase);
        assert_eq!(event["status"], "confirmed", "{event}");
        assert_eq!(asked(), ["GET", "POST"], "asked once, for good");
        serve.process.stop();
    }
}
