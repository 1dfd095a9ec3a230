//! Every sample of CM.com's events page, byte for byte, and those of the other texts that show the endpoint in use
//! (`fixtures/cm`): what is read out of them.

use laneway_wire::cm;

#[test]
fn samples() {
    insta::glob!("../fixtures/cm", "*.json", |path| {
        let body = std::fs::read(path).unwrap();
        insta::assert_debug_snapshot!(cm::parse(&body).unwrap());
    });
}
