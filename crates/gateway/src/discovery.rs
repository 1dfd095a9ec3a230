//! What the configuration leaves out and Meta knows: the data sets of WABAs.
//!
//! It stands between the configuration as it is read and the one in force. What was found is remembered in
//! `discovered.json` in the data directory, so that a restart asks nothing and waits for nothing. Until a data set is
//! known, its conversions are accepted and wait, as they do for a credential.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::http::Limits;
use laneway_channel::meta::look_up::Error;
use laneway_channel::meta::{self, Target};
use laneway_model::{DatasetId, WabaId};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Accounts, Config, Waba};

/// The file's name in the data directory.
pub const FILE: &str = "discovered.json";
/// The version of the file's form.
const VERSION: u64 = 1;
/// How long to wait before what had no answer is asked again; doubled each time.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// The longest such wait.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(300);

/// The data sets that were found, by WABA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known(BTreeMap<WabaId, DatasetId>);

/// Completes each configuration that comes, and completes it further when Meta has answered, until `stop`.
pub fn follow(
    mut read: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) -> (watch::Receiver<Arc<Config>>, impl Future<Output = ()> + Send) {
    let first = Arc::clone(&read.borrow_and_update());
    let path = first.data_dir.join(FILE);
    let known = Known::read(&path);
    let (publish, in_force) = watch::channel(known.complete(&first));
    let work = async move {
        let mut discovery = Discovery { path, known, publish, client: meta::Client::new(Limits::default()) };
        let mut config = first;
        let mut wait = AGAIN_AFTER;
        loop {
            let is_done = tokio::select! {
                () = stop.cancelled() => return,
                is_done = discovery.ask(&config) => is_done,
            };
            let again = async {
                match is_done {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(wait).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = read.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    config = Arc::clone(&read.borrow_and_update());
                    wait = AGAIN_AFTER;
                    discovery.publish.send_replace(discovery.known.complete(&config));
                }
                () = again => wait = (wait * 2).min(AGAIN_AFTER_MAX),
            }
        }
    };
    (in_force, work)
}

struct Discovery {
    path: PathBuf,
    known: Known,
    publish: watch::Sender<Arc<Config>>,
    client: meta::Client,
}

impl Discovery {
    /// Asks for whatever is missing, and says whether nothing is missing any more.
    async fn ask(&mut self, config: &Arc<Config>) -> bool {
        let mut is_done = true;
        for waba in config.accounts.iter().flat_map(|account| &account.wabas) {
            if !waba.looks_up_dataset || self.known.0.contains_key(&waba.id) {
                continue;
            }
            match self.dataset(waba).await {
                Ok(id) => {
                    tracing::info!(waba.id = %waba.id, dataset.id = %id, "the data set was looked up");
                    self.known.0.insert(waba.id.clone(), id);
                    if let Err(error) = self.known.write(&self.path) {
                        tracing::warn!(%error, "what was looked up cannot be remembered, and is asked again after a restart");
                    }
                    self.publish.send_replace(self.known.complete(config));
                }
                Err(error) => {
                    tracing::warn!(
                        waba.id = %waba.id, %error,
                        "the data set cannot be looked up; conversions wait, and it is asked again; dataset_id can be set instead"
                    );
                    is_done = false;
                }
            }
        }
        is_done
    }

    /// The WABA's data set, made if there is none.
    async fn dataset(&self, waba: &Waba) -> Result<DatasetId, Error> {
        let number =
            waba.numbers.first().ok_or_else(|| Error::Refused("The WABA has no numbers.".to_owned()))?;
        let token = waba.conversions_token.as_ref().unwrap_or(&waba.access_token);
        let target = Target {
            graph_url: waba.graph_url.clone(),
            version: waba.graph_version.clone(),
            phone_number_id: number.phone_number_id.clone(),
            waba_id: waba.id.clone(),
            dataset_id: None,
            access_token: waba.access_token.clone(),
            conversions_token: waba.conversions_token.clone(),
        };
        let mut ids = self.client.datasets(&target, token).await?;
        if ids.is_empty() {
            ids = self.client.make_dataset(&target, token).await?;
        }
        let id = ids.first().and_then(|id| DatasetId::parse(id).ok());
        id.ok_or_else(|| Error::NoAnswer("Meta's answer has no data set in it.".to_owned()))
    }
}

impl Known {
    /// The configuration with what is known put in.
    fn complete(&self, config: &Arc<Config>) -> Arc<Config> {
        let is_missing = |waba: &Waba| waba.looks_up_dataset && self.0.contains_key(&waba.id);
        if !config.accounts.iter().flat_map(|account| &account.wabas).any(is_missing) {
            return Arc::clone(config);
        }
        let mut accounts = config.accounts.to_vec();
        for waba in accounts.iter_mut().flat_map(|account| &mut account.wabas) {
            if waba.looks_up_dataset {
                waba.dataset_id = self.0.get(&waba.id).cloned();
            }
        }
        Arc::new(Config { accounts: Accounts::new(accounts), ..Config::clone(config) })
    }

    /// What an earlier process found. A file that cannot be used is as good as none: all of it can be asked again.
    fn read(path: &Path) -> Self {
        let Ok(text) = std::fs::read(path) else { return Self::default() };
        let read = || {
            let file: Value = serde_json::from_slice(&text).ok()?;
            let datasets = file.get("datasets").filter(|_| file["version"] == VERSION)?.as_object()?;
            let pair = |(waba, id): (&String, &Value)| {
                Some((WabaId::parse(waba).ok()?, DatasetId::parse(id.as_str()?).ok()?))
            };
            Some(Self(datasets.iter().filter_map(pair).collect()))
        };
        read().unwrap_or_else(|| {
            tracing::warn!(path = %path.display(), "this file cannot be read, so what it told is asked again");
            Self::default()
        })
    }

    /// Writes the file whole, or leaves the one before.
    fn write(&self, path: &Path) -> io::Result<()> {
        let ids = self.0.iter().map(|(waba, id)| (waba.to_string(), Value::from(id.as_str())));
        let datasets: serde_json::Map<_, _> = ids.collect();
        let beside = path.with_extension("json.new");
        let mut file = std::fs::File::create(&beside)?;
        writeln!(file, "{}", json!({"version": VERSION, "datasets": datasets}))?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(Known::read(&path), Known::default());
        let pair = (WabaId::parse("102290129340398").unwrap(), DatasetId::parse("1148840052710187").unwrap());
        let known = Known(BTreeMap::from([pair]));
        known.write(&path).unwrap();
        assert_eq!(Known::read(&path), known);
        for text in ["", "{", "[]", r#"{"version":2,"datasets":{}}"#, r#"{"version":1}"#] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Known::read(&path), Known::default(), "{text}");
        }
    }
}
