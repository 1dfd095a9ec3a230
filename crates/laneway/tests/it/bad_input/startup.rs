//! What `serve` does when it cannot start: one clear sentence, exit code 1, and nothing is harmed.

use std::fs;
use std::net::TcpListener;

use super::Desk;
use crate::harness::{Process, Shop, shown};

/// Starts the gateway, which must refuse, and say this.
#[track_caller]
fn check(shop: &Shop, more: &[&str], said: &str) {
    let config = shop.config();
    let arguments = [&["serve", "--config", shown(&config)], more].concat();
    let (code, all) = Process::start(&arguments).ended();
    assert_eq!(code, Some(1), "{all}");
    assert!(all.contains(said), "no {said:?} in:\n{all}");
    for word in ["panicked", "RUST_BACKTRACE", "listening ", "Os {", "Some("] {
        assert!(!all.contains(word), "{word:?} in:\n{all}");
    }
}

#[test]
fn files_that_are_no_configuration() {
    let shop = Shop::open();
    let good = fs::read(shop.config()).unwrap();
    let key = b"listen = \"127.0.0.1:0\"";
    for (bytes, said) in [
        (&b"\xff\xfe"[..], "laneway.toml"),
        (&[good.as_slice(), b"\xff"].concat(), "UTF-8"),
        (&[good.as_slice(), b"\0"].concat(), "laneway.toml:"),
        (&[key.as_slice(), b"\n", &good].concat(), "laneway.toml:"),
        (&[b"a.".repeat(20_000).as_slice(), b"a = 1"].concat(), "laneway.toml"),
        (&[b"a = ".as_slice(), &b"[".repeat(20_000)].concat(), "laneway.toml:"),
        (&[b"a = ".as_slice(), &b"{a=".repeat(20_000)].concat(), "laneway.toml:"),
        (&good[..good.len() / 2], "laneway.toml:"),
    ] {
        fs::write(shop.config(), bytes).unwrap();
        check(&shop, &[], said);
    }
    fs::remove_file(shop.config()).unwrap();
    check(&shop, &[], "cannot be read");
    fs::create_dir(shop.config()).unwrap();
    check(&shop, &[], "cannot be read");
}

#[test]
fn places_that_cannot_be_had() {
    let shop = Shop::open();
    fs::write(shop.path("a-file"), "").unwrap();
    let (file, below) = (shop.path("a-file"), shop.path("a-file/below"));
    check(&shop, &["--data-dir", shown(&file)], "a-file");
    check(&shop, &["--data-dir", shown(&below)], "a-file");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    check(&shop, &["--listen", &taken], &taken);
    check(&shop, &["--listen", "192.0.2.1:80"], "192.0.2.1:80");
}

#[test]
fn a_directory_has_one_gateway() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    assert_eq!(desk.post(event.as_bytes()).status, 200);
    check(&desk.shop, &[], "data");
    assert_eq!(desk.post(event.as_bytes()).status, 200, "the first one goes on");
    desk.close();
}

#[test]
fn a_store_that_is_none_is_left_alone() {
    let shop = Shop::open();
    drop(shop.serve().process.stop());
    let path = shop.path("data/journal.db");
    let good = fs::read(&path).unwrap();
    for bytes in [
        b"this is not a database, but someone's only copy of it".repeat(100),
        good[..good.len() / 2].to_vec(),
    ] {
        fs::write(&path, &bytes).unwrap();
        check(&shop, &[], "journal");
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is written into it");
    }
    fs::write(&path, &good).unwrap();
    drop(shop.serve().process.stop());
}
