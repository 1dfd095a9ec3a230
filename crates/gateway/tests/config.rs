//! Files of configuration and every mistake that is found in them. Each file of `inputs/config` has the expected
//! report beside it.

use std::path::Path;

use insta::{Settings, assert_snapshot, glob};
use laneway_gateway::config::{Config, Mistakes};

/// The report on a file, with paths as short as they can be.
fn report(name: &str) -> String {
    let path = Path::new("tests/inputs/config").join(name);
    let read = Config::load(&path, &|_| None).map(|loaded| format!("{:#?}", loaded.config));
    let report = read.unwrap_or_else(|mistakes: Mistakes| mistakes.to_string());
    report.replace("tests/inputs/config/", "")
}

#[test]
fn every_configuration_gets_its_report() {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("inputs/config");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        glob!("inputs/config/*.toml", |path| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("inputs have plain names");
            let report = report(name);
            assert!(!report.contains("must-not-be-shown"), "{name} holds a secret that the report shows");
            assert_snapshot!("report", report);
        });
    });
}
