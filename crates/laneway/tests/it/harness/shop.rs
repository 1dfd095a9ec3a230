//! A shop that runs `laneway serve` with a configuration file, against a sandbox that runs on its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::small_disk::{Mounted, SmallDisk};
use super::{Gateway, Host, Process, World, run};

/// The shop's product tokens, made once by `laneway token new`.
pub(crate) static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens {
    all: Token::new("send\", \"read\", \"operate\", \"erase"),
    send: Token::new("send"),
    read: Token::new("read"),
});

/// What operators show on `admin_listen`.
pub(crate) const ADMIN_TOKEN: &str = "admin-token-of-the-shop";

pub(crate) struct Tokens {
    pub(crate) all: Token,
    pub(crate) send: Token,
    pub(crate) read: Token,
}

/// A product token, and how the configuration file knows it.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) hash: String,
    scopes: &'static str,
}

impl Token {
    fn new(scopes: &'static str) -> Self {
        let made = run(&["token", "new", "--json"]).json();
        let own = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { text: own("token"), hash: own("hash"), scopes }
    }
}

/// A directory with a configuration file and its secrets, and the sandbox that they were made from.
pub(crate) struct Shop {
    pub(crate) world: World,
    directory: TempDir,
    sandbox: Process,
}

/// `laneway serve`, logging as much as an operator would ever ask for.
pub(crate) struct Serve {
    pub(crate) process: Process,
    pub(crate) gateway: Gateway,
    pub(crate) admin: Host,
}

impl Serve {
    #[track_caller]
    fn by(process: Process) -> Self {
        let gateway = Host::new(&process.value("gateway=")).with("x-cm-producttoken", &TOKENS.all.text);
        let admin = Host::new(&process.value("admin="));
        let admin = admin.with("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        Self { process, gateway: Gateway(gateway), admin }
    }
}

impl Shop {
    /// Starts the sandbox and writes the configuration that sends everything to it.
    #[track_caller]
    pub(crate) fn open() -> Self {
        let sandbox = Process::start(&["sandbox", "--sandbox-listen=127.0.0.1:0"]);
        let world = World::of(Host::new(&sandbox.value("sandbox=")));
        let shop = Self { world, directory: TempDir::new().unwrap(), sandbox };
        fs::write(shop.path("access_token"), shop.world.own("access_token")).unwrap();
        fs::write(shop.path("admin_token"), ADMIN_TOKEN).unwrap();
        shop.configure(&shop.world.host.url(), "");
        shop
    }

    /// Writes the configuration anew, with another Graph API or with more tables before the account.
    pub(crate) fn configure(&self, graph_url: &str, more: &str) {
        let own = |name| self.world.own(name);
        let tokens = [&TOKENS.all, &TOKENS.send, &TOKENS.read];
        let tokens =
            tokens.map(|token| format!("{{ hash = \"{}\", scopes = [\"{}\"] }}", token.hash, token.scopes));
        let text = format!(
            r#"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
admin_token = "file:admin_token"
data_dir = "data"
{more}
[[account]]
name = "shop"
tokens = [{tokens}]

[[account.waba]]
id = "{waba}"
access_token = "file:access_token"
dataset_id = "{dataset}"
graph_url = "{graph_url}"
numbers = [{{ number = "{number}", phone_number_id = "{id}" }}]
"#,
            tokens = tokens.join(", "),
            waba = own("waba_id"),
            dataset = own("dataset_id"),
            number = own("number"),
            id = own("phone_number_id"),
        );
        fs::write(self.config(), text).unwrap();
    }

    /// Adds lines to the end of the configuration.
    pub(crate) fn add(&self, text: &str) {
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), config + text).unwrap();
    }

    /// Gives the shop this many numbers on one account, which is one token; all of them.
    #[track_caller]
    pub(crate) fn join(&self, count: usize) -> Vec<Value> {
        let mut numbers = vec![self.world.business.clone()];
        while numbers.len() < count {
            let join = json!({"waba_id": self.world.own("waba_id")});
            numbers.push(self.world.host.post("/sandbox/numbers", &join.to_string()).json());
        }
        let listed: Vec<_> = numbers
            .iter()
            .map(|one| {
                format!("{{ number = {}, phone_number_id = {} }}", one["number"], one["phone_number_id"])
            })
            .collect();
        let text = fs::read_to_string(self.config()).unwrap();
        let (before, _) = text.split_once("numbers = [").unwrap();
        fs::write(self.config(), format!("{before}numbers = [{}]\n", listed.join(", "))).unwrap();
        numbers
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("laneway.toml")
    }

    /// Starts the gateway and waits until it listens.
    #[track_caller]
    pub(crate) fn serve(&self) -> Serve {
        Serve::by(self.start())
    }

    /// The same by a shell that does something to itself before, which the gateway inherits.
    #[track_caller]
    pub(crate) fn serve_after(&self, shell: &str) -> Serve {
        let config = self.config();
        Serve::by(Process::start_after(shell, &["serve", "--log-format=json", "--config", shown(&config)]))
    }

    /// The same on an address that the test has chosen.
    #[track_caller]
    pub(crate) fn serve_at(&self, address: &str) -> Serve {
        let (config, listen) = (self.config(), format!("--listen={address}"));
        Serve::by(Process::start(&["serve", "--log-format=json", "--config", shown(&config), &listen]))
    }

    /// The same with its data on a small disk.
    #[track_caller]
    pub(crate) fn serve_on(&self, disk: SmallDisk) -> (Serve, Mounted) {
        let (config, data) = (self.config(), self.path("data"));
        fs::create_dir(&data).unwrap();
        let arguments = ["serve", "--log-format=json", "--config", shown(&config)];
        let serve = Serve::by(Process::start_by(disk.laneway(&data, &arguments)));
        let mounted = Mounted::of(serve.process.id(), &data);
        (serve, mounted)
    }

    /// Starts the gateway without waiting for anything.
    pub(crate) fn start(&self) -> Process {
        let config = self.config();
        Process::start(&["serve", "--log=debug", "--log-format=json", "--config", shown(&config)])
    }

    /// Ends the sandbox, so that no call can be made any more.
    #[track_caller]
    pub(crate) fn close(self) {
        let (code, said) = self.sandbox.stop();
        assert_eq!(code, Some(0), "{said}");
    }

    /// Refuses a log that holds a secret, a user's number or a message's id. What the sandbox itself minted is known
    /// from its state; what a test wrote is told by the test.
    #[track_caller]
    pub(crate) fn check_log(&self, log: &str, written: &[&str]) {
        let own = ["access_token", "app_secret"].map(|name| self.world.own(name));
        let tokens = [&TOKENS.all, &TOKENS.send, &TOKENS.read].map(|token| token.text.as_str());
        let mut forbidden =
            [own.as_slice(), &tokens, &[ADMIN_TOKEN, "messaging_product", "\"custom"], written].concat();
        let rows = self.world.rows("/sandbox/messages");
        let told = |row: &'_ serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let minted: Vec<String> = rows
            .iter()
            .flat_map(|row| {
                [
                    told(row, "wamid"),
                    told(row, "user").trim_start_matches('+').to_owned(),
                    told(row, "ctwa_clid"),
                ]
            })
            .collect();
        forbidden.extend(minted.iter().map(String::as_str).filter(|text| !text.is_empty()));
        for line in log.lines() {
            for word in &forbidden {
                assert!(!line.contains(word), "the log holds {word:?}: {line}");
            }
        }
    }
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}
