//! What the configuration leaves out and Meta knows: the data sets of WABAs, and their numbers.
//!
//! It stands between the configuration as it is read and the one in force. What was found is remembered in
//! `discovered.json` in the data directory, so that a restart waits for nothing, whether Meta answers or not. Until a data
//! set is known, its conversions are accepted and wait, as they do for a credential; until a WABA's numbers are known,
//! events for numbers that nobody has are turned away for the moment. Data sets are asked for once. Numbers come and
//! go at Meta, so they are asked for again.

mod known;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::http::Limits;
use laneway_channel::meta::look_up::{Account, Error, ListedNumber, ListedNumbers};
use laneway_channel::{Secret, meta};
use laneway_model::{DatasetId, WabaId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Number, NumbersFrom, Waba};
use known::Known;

pub use known::{Contested, Owner};

/// The file's name in the data directory.
pub const FILE: &str = "discovered.json";
/// How long to wait before what had no answer is asked again; doubled each time.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// The longest such wait.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(300);
/// How often numbers that are known are asked for again. Meta answers 200 such questions an hour for each WABA
/// (documented).
pub const REFRESH_EVERY: Duration = Duration::from_secs(600);
/// How many questions are under way at once.
const QUESTIONS_MAX: usize = 8;

/// The configuration with what an earlier process found put in, as it would be in force before Meta answers.
pub fn remembered(config: &Arc<Config>) -> Arc<Config> {
    Known::read(&config.data_dir.join(FILE)).complete(config).0
}

/// Which numbers Meta lists to one WABA and another has already, by what an earlier process was told and by these answers,
/// which go before it.
pub fn contested(config: &Arc<Config>, answers: &[(WabaId, ListedNumbers)]) -> Vec<Contested> {
    let mut known = Known::read(&config.data_dir.join(FILE));
    for (waba, listed) in answers {
        let numbers = readable(listed);
        if !numbers.is_empty() {
            known.numbers.insert(waba.clone(), numbers);
        }
    }
    known.complete(config).1
}

/// The numbers of a list, but for those that Meta does not write readably.
fn readable(listed: &ListedNumbers) -> Vec<Number> {
    let number =
        |row: &ListedNumber| row.number.map(|number| Number { number, phone_number_id: row.id.clone() });
    listed.numbers.iter().filter_map(number).collect()
}

/// Completes each configuration that comes, and completes it further when Meta has answered, until `stop`.
pub fn follow(
    mut read: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) -> (watch::Receiver<Arc<Config>>, impl Future<Output = ()> + Send) {
    let first = Arc::clone(&read.borrow_and_update());
    let path = first.data_dir.join(FILE);
    let known = Known::read(&path);
    let (publish, in_force) = watch::channel(Arc::clone(&first));
    let mut discovery = Discovery {
        path,
        known,
        publish,
        client: meta::Client::new(Limits::default()),
        listed: BTreeSet::new(),
        contested: Vec::new(),
    };
    discovery.put_in(&first);
    let work = async move {
        let mut config = first;
        let mut wait = AGAIN_AFTER;
        let mut refresh = interval(REFRESH_EVERY);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, and at the start everything is asked anyway.
        refresh.tick().await;
        loop {
            let round = async {
                let is_done = discovery.ask(&config).await;
                tokio::select! {
                    _ = refresh.tick() => Next::Refresh,
                    () = tokio::time::sleep(wait), if !is_done => Next::Again,
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
                    discovery.listed.clear();
                    discovery.put_in(&config);
                }
                next = round => match next {
                    Next::Again => wait = (wait * 2).min(AGAIN_AFTER_MAX),
                    Next::Refresh => discovery.listed.clear(),
                }
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
    /// The WABAs whose numbers need not be asked for until the next refresh.
    listed: BTreeSet<WabaId>,
    /// What was left out last.
    contested: Vec<Contested>,
}

/// Why there is another round.
enum Next {
    /// Something had no answer.
    Again,
    /// It is time to look whether anything has changed.
    Refresh,
}

/// What is to be asked.
struct Question {
    about: About,
    account: Account,
    token: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Dataset,
    Numbers,
}

enum Told {
    Dataset(DatasetId),
    Numbers(ListedNumbers),
}

/// What has come to be known, and is said once it is in force.
enum News {
    Dataset(WabaId, DatasetId),
    Numbers(WabaId, usize),
}

impl News {
    fn say(&self) {
        match self {
            Self::Dataset(waba, id) => {
                tracing::info!(waba.id = %waba, dataset.id = %id, "the data set was looked up");
            }
            Self::Numbers(waba, count) => {
                tracing::info!(waba.id = %waba, count, "the numbers were looked up");
            }
        }
    }
}

impl Discovery {
    /// Asks for whatever is missing or due, and says whether nothing is any more.
    async fn ask(&mut self, config: &Arc<Config>) -> bool {
        let mut questions = self.questions(config).into_iter();
        let mut under_way = JoinSet::new();
        let mut is_done = true;
        loop {
            while under_way.len() < QUESTIONS_MAX
                && let Some(question) = questions.next()
            {
                under_way.spawn(question.put(self.client.clone()));
            }
            let Some(first) = under_way.join_next().await else { return is_done };
            let mut news = Vec::new();
            // What has come meanwhile is put in together.
            for answered in [first].into_iter().chain(std::iter::from_fn(|| under_way.try_join_next())) {
                let Ok((waba, about, told)) = answered else {
                    is_done = false;
                    continue;
                };
                match told.and_then(|told| self.learn(&waba, told)) {
                    Ok(learned) => news.extend(learned),
                    Err(error) => {
                        self.say_unanswered(&waba, about, &error);
                        is_done = false;
                    }
                }
            }
            if !news.is_empty() {
                if let Err(error) = self.known.write(&self.path) {
                    tracing::warn!(%error, "what was looked up cannot be remembered, and is asked again after a restart");
                }
                self.put_in(config);
                news.iter().for_each(News::say);
            }
        }
    }

    fn questions(&self, config: &Config) -> Vec<Question> {
        let wabas = config.accounts.iter().flat_map(|account| &account.wabas);
        let of_waba = |waba: &Waba| {
            let dataset = waba.looks_up_dataset && !self.known.datasets.contains_key(&waba.id);
            let numbers = waba.numbers_from != NumbersFrom::File && !self.listed.contains(&waba.id);
            let asked = [numbers.then_some(About::Numbers), dataset.then_some(About::Dataset)];
            let question = |about| Question { about, account: waba.at_meta(), token: about.token(waba) };
            asked.into_iter().flatten().map(question).collect::<Vec<_>>()
        };
        wabas.flat_map(of_waba).collect()
    }

    /// Takes an answer over, and says what it tells that is new.
    fn learn(&mut self, waba: &WabaId, told: Told) -> Result<Option<News>, Error> {
        match told {
            Told::Dataset(id) => {
                self.known.datasets.insert(waba.clone(), id.clone());
                Ok(Some(News::Dataset(waba.clone(), id)))
            }
            Told::Numbers(listed) => self.learn_numbers(waba, &listed),
        }
    }

    /// An empty list is no answer: numbers that were known would be turned away on its word.
    fn learn_numbers(&mut self, waba: &WabaId, listed: &ListedNumbers) -> Result<Option<News>, Error> {
        let numbers = readable(listed);
        if numbers.is_empty() {
            return Err(Error::NoAnswer("Meta lists no number to it.".to_owned()));
        }
        self.listed.insert(waba.clone());
        if self.known.numbers.get(waba) == Some(&numbers) {
            return Ok(None);
        }
        for row in listed.numbers.iter().filter(|row| row.number.is_none()) {
            tracing::warn!(waba.id = %waba, phone_number.id = %row.id, "Meta does not write this number readably; it is left out");
        }
        if !listed.is_whole {
            tracing::warn!(waba.id = %waba, "the WABA has more numbers than are read; set numbers in the configuration instead");
        }
        let count = numbers.len();
        self.known.numbers.insert(waba.clone(), numbers);
        Ok(Some(News::Numbers(waba.clone(), count)))
    }

    fn say_unanswered(&self, waba: &WabaId, about: About, error: &Error) {
        let says = match about {
            About::Dataset => {
                "the data set cannot be looked up; conversions wait, and it is asked again; dataset_id can be set instead"
            }
            About::Numbers if self.known.numbers.contains_key(waba) => {
                "the numbers cannot be looked up; those that are remembered stay, and it is asked again"
            }
            About::Numbers => {
                "the numbers cannot be looked up; events for them are turned away, and it is asked again; numbers can be set instead"
            }
        };
        tracing::warn!(waba.id = %waba, %error, "{says}");
    }

    /// Puts what is known into a configuration, and that in force. What two WABAs claim is told when it changes.
    fn put_in(&mut self, config: &Arc<Config>) {
        let (complete, contested) = self.known.complete(config);
        self.publish.send_replace(complete);
        if contested != self.contested {
            for contested in &contested {
                tracing::warn!("the number {contested}; a number belongs to one WABA");
            }
            self.contested = contested;
        }
    }
}

impl About {
    /// The token that it is asked with: the one that it is about.
    fn token(self, waba: &Waba) -> Secret {
        match (self, &waba.conversions_token) {
            (Self::Dataset, Some(token)) => token.clone(),
            (Self::Dataset, None) | (Self::Numbers, _) => waba.access_token.clone(),
        }
    }
}

impl Question {
    async fn put(self, client: meta::Client) -> (WabaId, About, Result<Told, Error>) {
        let Self { about, account, token } = self;
        let told = match about {
            About::Dataset => dataset(&client, &account, &token).await.map(Told::Dataset),
            About::Numbers => client.numbers(&account, &token).await.map(Told::Numbers),
        };
        (account.waba_id, about, told)
    }
}

/// The WABA's data set, made if there is none.
async fn dataset(client: &meta::Client, account: &Account, token: &Secret) -> Result<DatasetId, Error> {
    let mut ids = client.datasets(account, token).await?;
    if ids.is_empty() {
        ids = client.make_dataset(account, token).await?;
    }
    let id = ids.first().and_then(|id| DatasetId::parse(id).ok());
    id.ok_or_else(|| Error::NoAnswer("Meta's answer has no data set in it.".to_owned()))
}
