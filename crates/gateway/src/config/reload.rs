//! Following the configuration while the node runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Config, Fingerprint, Loaded, Mistakes, Store};

/// What cannot change while the node runs.
#[derive(Clone, Debug)]
struct Fixed {
    listen: SocketAddr,
    admin_listen: Option<SocketAddr>,
    store: Store,
    data_dir: PathBuf,
}

/// Looks up an environment variable.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send>;

/// Looks whether the files of a configuration changed, and reads them again when they did.
pub struct Watcher {
    path: PathBuf,
    env: Environment,
    /// The files as they were when they were read.
    seen: Fingerprint,
    /// The files as they were at the last look, if they had changed by then.
    changed: Option<Fingerprint>,
    /// What the files said at start.
    at_start: Fixed,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Watcher {
    /// Follows the files that `loaded` was read from. It is to be as the files have it: what the command line replaces
    /// is replaced in the configuration that is in force, so that it does not look like a change of the files.
    pub fn new(path: PathBuf, env: Environment, loaded: &Loaded) -> Self {
        let at_start = Fixed::of(&loaded.config);
        Self { path, env, seen: loaded.fingerprint.clone(), changed: None, at_start }
    }

    /// Looks once. Files that changed are read when they stood still since the look before, so that a file that is
    /// still being written is left alone. `None` when there is nothing to read.
    pub fn look(&mut self) -> Option<Result<Loaded, Mistakes>> {
        let now = self.seen.taken_again();
        if now == self.seen {
            self.changed = None;
            return None;
        }
        if self.changed.as_ref() != Some(&now) {
            self.changed = Some(now);
            return None;
        }
        self.changed = None;
        let read = Config::load(&self.path, &self.env);
        self.seen = match &read {
            Ok(loaded) => loaded.fingerprint.clone(),
            Err(mistakes) => mistakes.fingerprint().clone(),
        };
        Some(read)
    }
}

/// Looks every `every`, until `shutdown`, and sends each new configuration. One with mistakes is logged, and the old
/// one stays. What is fixed while the node runs keeps its value; that the files say otherwise than at start is logged.
///
/// # Errors
/// When the task that reads the files panicked.
pub async fn watch(
    mut watcher: Watcher,
    every: Duration,
    config: watch::Sender<Arc<Config>>,
    shutdown: CancellationToken,
) -> Result<(), JoinError> {
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        let looked = spawn_blocking(move || {
            let read = watcher.look();
            (watcher, read)
        });
        let read;
        (watcher, read) = looked.await?;
        match read {
            None => {}
            Some(Ok(loaded)) => publish(loaded, &watcher.at_start, &config),
            Some(Err(mistakes)) => log(&mistakes),
        }
    }
    Ok(())
}

fn log(mistakes: &Mistakes) {
    for mistake in mistakes.remarks() {
        tracing::error!("{mistake}");
    }
    let count = mistakes.remarks().len();
    tracing::error!(count, "the configuration has mistakes, so the one before stays in force");
}

fn publish(loaded: Loaded, at_start: &Fixed, config: &watch::Sender<Arc<Config>>) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut next = loaded.config;
    for key in at_start.differences(&Fixed::of(&next)) {
        tracing::warn!(key, "a key has another value than at start, which takes effect after a restart");
    }
    config.send_if_modified(|current| {
        Fixed::of(current).put_into(&mut next);
        let is_new = next != **current;
        if is_new {
            tracing::info!(accounts = next.accounts.len(), "the configuration was read again");
            *current = Arc::new(next);
        }
        is_new
    });
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self {
            listen: config.listen,
            admin_listen: config.admin_listen,
            store: config.store,
            data_dir: config.data_dir.clone(),
        }
    }

    /// The keys whose values are not the same.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self { listen, admin_listen, store, data_dir } = self;
        let differences = [
            ("listen", *listen != other.listen),
            ("admin_listen", *admin_listen != other.admin_listen),
            ("store", *store != other.store),
            ("data_dir", *data_dir != other.data_dir),
        ];
        differences.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    fn put_into(self, config: &mut Config) {
        let Self { listen, admin_listen, store, data_dir } = self;
        (config.listen, config.admin_listen) = (listen, admin_listen);
        (config.store, config.data_dir) = (store, data_dir);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;
    use crate::config::Accounts;

    const HASH: &str = "sha256:12b9377cbe7e5c94e8a70d9d23929523d14afa954793130f8a3959c7b849aca8";

    fn account(name: &str, number: &str) -> String {
        format!(
            r#"
            [[account]]
            name = "{name}"
            tokens = [{{ hash = "{}", scopes = ["send"] }}]
            [[account.waba]]
            id = "{number}1"
            access_token = "file:token"
            dataset_id = "none"
            numbers = [{{ number = "{number}", phone_number_id = "{number}2" }}]
            "#,
            HASH.replace("12b9377", number)
        )
    }

    struct Bench {
        directory: tempfile::TempDir,
        watcher: Watcher,
        config: Config,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir(directory.path().join("accounts.d")).unwrap();
            let path = directory.path().join("laneway.toml");
            fs::write(directory.path().join("token"), "EAAG1").unwrap();
            fs::write(&path, format!("include = [\"accounts.d/*.toml\"]\n{}", account("shop", "3160987")))
                .unwrap();
            let loaded = Config::load(&path, &|_| None).unwrap();
            let watcher = Watcher::new(path, Box::new(|_| None), &loaded);
            Self { directory, watcher, config: loaded.config }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.directory.path().join(name), text).unwrap();
        }

        /// The first look after a change must only notice it.
        #[track_caller]
        fn noticed(&mut self) -> Result<Loaded, Mistakes> {
            assert!(self.watcher.look().is_none(), "a change is noticed before it is read");
            let read = self.watcher.look().expect("a change that stood still is read");
            assert!(self.watcher.look().is_none(), "a change is read once");
            read
        }
    }

    fn names(config: &Config) -> Vec<&str> {
        config.accounts.iter().map(|account| account.name.as_str()).collect()
    }

    #[test]
    fn nothing_is_read_while_nothing_changes() {
        let mut bench = Bench::new();
        assert!(bench.watcher.look().is_none());
        assert!(bench.watcher.look().is_none());
    }

    #[test]
    fn changes_of_every_file_are_read() {
        let mut bench = Bench::new();
        bench.write(
            "accounts.d/other.toml",
            &account("other", "3160123").replace("file:token", "file:../token"),
        );
        assert_eq!(names(&bench.noticed().unwrap().config), ["shop", "other"]);

        bench.write("token", "EAAG-rotated");
        let config = bench.noticed().unwrap().config;
        assert!(config.accounts.iter().all(|a| a.wabas[0].access_token.expose() == "EAAG-rotated"));

        bench.write("laneway.toml", &account("renamed", "3160987"));
        assert_eq!(names(&bench.noticed().unwrap().config), ["renamed"], "the include is gone");
    }

    #[test]
    fn a_file_that_is_still_being_written_is_left_alone() {
        let mut bench = Bench::new();
        for length in 1..=3 {
            bench.write("laneway.toml", &"#".repeat(length));
            assert!(bench.watcher.look().is_none());
        }
        bench.write("laneway.toml", &account("whole", "3160987"));
        assert_eq!(names(&bench.noticed().unwrap().config), ["whole"]);
    }

    #[test]
    fn a_mistake_is_told_once_and_mended_by_the_file_it_named() {
        let mut bench = Bench::new();
        bench.write(
            "accounts.d/other.toml",
            &account("other", "3160123").replace("file:token", "file:../new"),
        );
        let mistakes = bench.noticed().unwrap_err();
        assert_eq!(mistakes.remarks().len(), 1, "{mistakes}");

        bench.write("new", "EAAG2");
        assert_eq!(names(&bench.noticed().unwrap().config), ["shop", "other"]);
    }

    #[test]
    fn what_is_fixed_keeps_its_value() {
        let current = Bench::new().config;
        let (fixed, mut next) = (Fixed::of(&current), current.clone());
        assert_eq!(fixed.differences(&Fixed::of(&next)), [""; 0]);
        next.listen = "127.0.0.1:9999".parse().unwrap();
        next.admin_listen = None;
        next.data_dir = "elsewhere".into();
        next.accounts = Accounts::default();
        assert_eq!(fixed.differences(&Fixed::of(&next)), ["listen", "admin_listen", "data_dir"]);
        fixed.put_into(&mut next);
        assert_eq!(next, Config { accounts: Accounts::default(), ..current }, "the rest is the new one's");
    }

    #[test]
    fn what_the_command_line_replaced_is_no_change_of_the_files() {
        let mut bench = Bench::new();
        let mut in_force = bench.config.clone();
        in_force.listen = "127.0.0.1:9999".parse().unwrap();
        let (tx, rx) = watch::channel(Arc::new(in_force));
        for (line, expected) in [
            ("", &[""; 0] as &[_]),
            ("listen = \"127.0.0.1:7777\"\n", &["listen"]),
            ("listen = \"127.0.0.1:7777\"\ndata_dir = \"elsewhere\"\n", &["listen", "data_dir"]),
            ("listen = \"127.0.0.1:8080\"\n", &[]),
        ] {
            bench.write("laneway.toml", &format!("{line}# read again\n{}", account("shop", "3160987")));
            let loaded = bench.noticed().unwrap();
            assert_eq!(bench.watcher.at_start.differences(&Fixed::of(&loaded.config)), expected, "{line}");
            publish(loaded, &bench.watcher.at_start, &tx);
            assert_eq!(rx.borrow().listen.port(), 9999, "what is in force stays");
        }
    }

    #[test]
    fn only_a_new_configuration_is_sent() {
        let Bench { watcher, config, directory: _directory } = Bench::new();
        let (tx, mut rx) = watch::channel(Arc::new(config));
        let again = || Config::load(&watcher.path, &watcher.env).unwrap();
        let at_start = &watcher.at_start;
        publish(again(), at_start, &tx);
        assert!(!rx.has_changed().unwrap(), "it says the same");

        let mut other = again();
        other.config.listen = "127.0.0.1:9999".parse().unwrap();
        publish(other, at_start, &tx);
        assert!(!rx.has_changed().unwrap(), "what differs cannot change");

        let mut other = again();
        other.config.accounts = Accounts::default();
        publish(other, at_start, &tx);
        assert!(rx.has_changed().unwrap());
        assert!(rx.borrow_and_update().accounts.is_empty());
    }

    #[tokio::test]
    async fn a_new_configuration_reaches_whoever_waits_for_it() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let bench = Bench::new();
        let shutdown = CancellationToken::new();
        let (tx, mut rx) = watch::channel(Arc::new(bench.config.clone()));
        let task = tokio::spawn(watch(bench.watcher, Duration::from_millis(1), tx, shutdown.clone()));
        for name in ["new", "newer"] {
            fs::write(bench.directory.path().join("laneway.toml"), account(name, "3160987")).unwrap();
            timeout(PATIENCE, rx.changed()).await.expect("the file is read again").unwrap();
            assert_eq!(names(&rx.borrow_and_update()), [name]);
        }
        shutdown.cancel();
        timeout(PATIENCE, task).await.expect("the task ends").unwrap().unwrap();
    }
}
