//! Other people's client libraries, unmodified and as their registries have them, against the sandbox: whoever uses one
//! can test with it. The scripts are in `tests/clients`; they look at the effects through the control surface.
//!
//! The libraries are installed once, at pinned versions, below `target/`. Where they cannot be, the tests are skipped and
//! say so.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::harness::run;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
const REQUIREMENTS: &str = include_str!("../clients/requirements.txt");
const WHATSAPP_API_JS: &str = "whatsapp-api-js@6.3.0";
/// What tells that an installation came to its end; what it was made of stands in it.
const INSTALLED: &str = "installed.txt";

/// Why a library is not here.
#[derive(Clone)]
struct Missing(String);

/// Runs a command to its end.
fn does(command: &mut Command) -> Result<(), Missing> {
    let shown = format!("{command:?}");
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            Err(Missing(format!("{shown} failed: {last}")))
        }
        Err(error) => Err(Missing(format!("{shown}: {error}"))),
    }
}

/// The folder of an installation, which is made if it is not there or was made of something else. Other test programs
/// wait meanwhile.
fn installed(
    name: &str,
    made_of: &str,
    install: impl Fn(&Path) -> Result<(), Missing>,
) -> Result<PathBuf, Missing> {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let folder = all.join(name);
    fs::create_dir_all(&all).unwrap();
    let lock = File::create(all.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|text| text == made_of) {
        return Ok(folder);
    }
    fs::remove_dir_all(&folder).unwrap_or_default();
    fs::create_dir_all(&folder).unwrap();
    install(&folder)?;
    fs::write(folder.join(INSTALLED), made_of).unwrap();
    Ok(folder)
}

/// The interpreter of an environment with all Python libraries. Where it cannot be made, it is tried once.
fn python() -> Result<PathBuf, Missing> {
    static PYTHON: LazyLock<Result<PathBuf, Missing>> = LazyLock::new(make_python);
    PYTHON.clone()
}

fn make_python() -> Result<PathBuf, Missing> {
    let folder = installed("python", REQUIREMENTS, |folder| {
        does(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let requirements = format!("{SCRIPTS}/requirements.txt");
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--no-deps",
            "-r",
        ];
        does(Command::new(folder.join("bin/python")).args(pip).arg(requirements))
    })?;
    Ok(folder.join("bin/python"))
}

/// The module of whatsapp-api-js.
fn whatsapp_api_js() -> Result<PathBuf, Missing> {
    does(Command::new("node").arg("--version"))?;
    let folder = installed("node", WHATSAPP_API_JS, |folder| {
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        does(Command::new("npm").args(npm).arg(folder).arg(WHATSAPP_API_JS))
    })?;
    Ok(folder.join("node_modules/whatsapp-api-js/lib/index.js"))
}

/// Runs a script with a sandbox of its own, or says why it cannot be run.
fn check(test: &str, library: Result<PathBuf, Missing>, command: impl Fn(&str) -> Vec<String>) {
    let library = match library {
        Ok(library) => library,
        Err(Missing(why)) => {
            // Whatever is printed by macros is shown only for tests that fail.
            io::stdout().write_all(format!("\nskipped test: {test}: {why}\n").as_bytes()).unwrap();
            return;
        }
    };
    let command = command(library.to_str().unwrap());
    let words: Vec<&str> =
        ["sandbox", "exec", "--"].into_iter().chain(command.iter().map(String::as_str)).collect();
    let ended = run(&words);
    assert_eq!(ended.code, 0, "{test}:\n{}{}", ended.stdout, ended.stderr);
}

#[test]
fn pywa() {
    let script = format!("{SCRIPTS}/pywa_client.py");
    check("pywa", python(), |python| vec![python.to_owned(), "-B".to_owned(), script.clone()]);
}

#[test]
fn facebook_business() {
    let script = format!("{SCRIPTS}/facebook_business_client.py");
    check("facebook_business", python(), |python| vec![python.to_owned(), "-B".to_owned(), script.clone()]);
}

#[test]
fn whatsapp_api_js_as_a_business() {
    let script = format!("{SCRIPTS}/whatsapp-api-js_client.mjs");
    let words = |module: &str| vec!["node".to_owned(), script.clone(), module.to_owned()];
    check("whatsapp_api_js", whatsapp_api_js(), words);
}
