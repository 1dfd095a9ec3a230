//! What a machine needs before anything can be built, and how it gets it.
//!
//! Everything is looked for first; the network is touched only for what is missing, after saying what and why.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Something that must be there, with the way to find out and the way to get it.
struct Need {
    what: &'static str,
    why: &'static str,
    is_there: fn() -> bool,
    comes_with: Source,
}

/// Something that some tests need, which are skipped and say so where it is not.
struct Wish {
    what: &'static str,
    why: &'static str,
    is_there: fn() -> bool,
    debian: &'static [&'static str],
}

const WISHES: [Wish; 2] = [
    Wish {
        what: "Python with venv",
        why: "other people's client libraries are tried against the sandbox",
        is_there: || shell::works(shell::command("python3", &["-c", "import ensurepip, venv"])),
        debian: &["python3", "python3-venv"],
    },
    Wish {
        what: "Chromium with its driver",
        why: "the sandbox's page and the console are tested in a browser",
        is_there: || shell::works(shell::command("chromedriver", &["--version"])),
        debian: &["chromium", "chromium-driver"],
    },
];

/// Where a missing thing comes from.
enum Source {
    Debian(&'static [&'static str]),
    Rustup(&'static str),
}

const NEEDS: [Need; 4] = [
    Need {
        what: "a C compiler with the C library's headers",
        why: "SQLite and ring are compiled from source",
        is_there: compiles_c,
        comes_with: Source::Debian(&["gcc", "libc6-dev"]),
    },
    Need {
        what: "ar",
        why: "the compiled C becomes a static library",
        is_there: || shell::works(shell::command("ar", &["--version"])),
        comes_with: Source::Debian(&["binutils"]),
    },
    Need {
        what: "rustfmt",
        why: "the format is checked",
        is_there: || shell::works(shell::cargo(&["fmt", "--version"])),
        comes_with: Source::Rustup("rustfmt"),
    },
    Need {
        what: "Clippy",
        why: "the lints are checked",
        is_there: || shell::works(shell::cargo(&["clippy", "--version"])),
        comes_with: Source::Rustup("clippy"),
    },
];

/// Installs what is missing and fetches the locked packages.
pub(crate) fn run() -> Result<bool> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.is_there)()).collect();
    for need in &missing {
        println!("missing: {} ({})", need.what, need.why);
    }
    let mut debian: Vec<&str> = Vec::new();
    for need in &missing {
        match need.comes_with {
            Source::Debian(packages) => debian.extend(packages),
            Source::Rustup(component) => install_component(component)?,
        }
    }
    if !debian.is_empty() {
        install_debian(&debian)?;
    }
    if let Some(need) = missing.iter().find(|need| !(need.is_there)()) {
        bail!("{} is still missing after the installation", need.what);
    }
    for wish in WISHES.iter().filter(|wish| !(wish.is_there)()) {
        println!("missing: {} ({})", wish.what, wish.why);
        if let Err(error) = install_debian(wish.debian) {
            println!("{} is not installed, and tests that need it are skipped: {error:#}", wish.what);
        }
    }
    if missing.is_empty() {
        println!("C compiler, ar, rustfmt, Clippy: all there");
    }
    fetch()
}

/// Runs the preprocessor over a header of the C library: a compiler without the headers is of no use.
fn compiles_c() -> bool {
    let mut command = shell::command("cc", &["-E", "-x", "c", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let written =
        child.stdin.take().is_some_and(|mut input| input.write_all(b"#include <stdlib.h>\n").is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

fn install_component(component: &str) -> Result<()> {
    println!("installing with rustup: {component}");
    let command = shell::command("rustup", &["component", "add", component]);
    if !shell::passes(command)? {
        bail!("rustup could not add `{component}`: add it to this Rust installation by hand");
    }
    Ok(())
}

fn install_debian(packages: &[&str]) -> Result<()> {
    if !shell::works(shell::command("apt-get", &["--version"])) {
        bail!("this is no Debian: install the equivalent of {} by hand", packages.join(", "));
    }
    let is_root = shell::output(shell::command("id", &["-u"]))?.trim() == "0";
    let mut prefix: Vec<&str> = Vec::new();
    if !is_root {
        // Without a terminal nobody can type a password, so sudo must not ask for one.
        if !shell::works(shell::command("sudo", &["-n", "true"])) {
            bail!("run `apt-get install {}` as root", packages.join(" "));
        }
        prefix.extend(["sudo", "-n"]);
    }
    println!("installing with apt-get: {}", packages.join(", "));
    let update: [&[&str]; 2] = [&prefix, &["apt-get", "update", "-q"]];
    let install: [&[&str]; 3] =
        [&prefix, &["apt-get", "install", "-q", "-y", "--no-install-recommends"], packages];
    for words in [update.concat(), install.concat()] {
        let (program, arguments) = words.split_first().context("a command has a program")?;
        let mut command = shell::command(program, arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        let shown = shell::shown(&command);
        if !shell::passes(command)? {
            bail!("`{shown}` failed");
        }
    }
    Ok(())
}

/// Brings the locked packages here, unless they are here already.
fn fetch() -> Result<bool> {
    let host = shell::host()?;
    let arguments = ["fetch", "--locked", "--target", host.as_str()];
    if shell::works(shell::cargo(&[&arguments[..], &["--offline"]].concat())) {
        println!("locked packages: all here, no network needed");
        return Ok(true);
    }
    println!("fetching the locked packages: some are not here yet");
    shell::passes(shell::cargo(&arguments))
}
