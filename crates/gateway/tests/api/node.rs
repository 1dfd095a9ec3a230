//! A real node on a real socket: journal in a temporary directory, router, server, and a clock that stands still.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::Secret;
use laneway_gateway::api::{self, BodyLimits, Readiness};
use laneway_gateway::clock::Clock;
use laneway_gateway::config::{
    Account, Accounts, Callback, Config, Forward, Number, NumbersFrom, Scopes, Token, Waba, token,
};
use laneway_gateway::driver::{Driver, Parts};
use laneway_gateway::inbound::LastMessages;
use laneway_gateway::node::Node;
use laneway_gateway::outbox::{self, Outbox};
use laneway_gateway::server::{self, Limits};
use laneway_gateway::telemetry::Telemetry;
use laneway_journal::{Journal, Options};
use laneway_model::{AccountName, DatasetId, PhoneNumber, PhoneNumberId, Timestamp, WabaId};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// The clock's time: 2026-11-22T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_348_800);

/// The tokens of the account `shop`, whose number is the seed page's.
pub(crate) const SHOP: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const SHOP_SEND_ONLY: &str = "11111111-1111-4111-8111-111111111112";
pub(crate) const SHOP_READ_ONLY: &str = "11111111-1111-4111-8111-111111111113";
/// The token of the account `salon`.
pub(crate) const SALON: &str = "22222222-2222-4222-8222-222222222222";

/// A clock that stands still, so that answers can be compared to the letter.
struct StoppedClock;

impl Clock for StoppedClock {
    fn wall(&self) -> Timestamp {
        NOW
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// How a node of a test differs from the usual one.
pub(crate) struct Setup {
    pub(crate) body_limits: BodyLimits,
    pub(crate) server_limits: Limits,
    pub(crate) change: fn(&mut Config),
    /// The addresses of the account `shop`.
    pub(crate) forwards: Vec<Forward>,
    pub(crate) callbacks: Vec<Callback>,
    /// Where the Graph API is. Without it the driver does not run, and events stay as they are.
    pub(crate) graph_url: Option<String>,
    /// Where CM.com is.
    pub(crate) cm_url: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            body_limits: BodyLimits::default(),
            server_limits: Limits::default(),
            change: |_| {},
            forwards: Vec::new(),
            callbacks: Vec::new(),
            graph_url: None,
            cm_url: None,
        }
    }
}

/// A node, until it is dropped.
pub(crate) struct TestNode {
    pub(crate) address: SocketAddr,
    pub(crate) journal: Journal,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) node: Node,
    _config: watch::Sender<Arc<Config>>,
    _directory: TempDir,
}

impl TestNode {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let directory = TempDir::new().unwrap();
        let mut config = config(directory.path().into(), setup.graph_url.as_deref());
        config.cm_url = setup.cm_url;
        let mut accounts = config.accounts.to_vec();
        (accounts[0].forwards, accounts[0].callbacks) = (setup.forwards, setup.callbacks);
        config.accounts = Accounts::new(accounts);
        (setup.change)(&mut config);
        let (config_tx, config) = watch::channel(Arc::new(config));
        let (readiness_tx, readiness) = watch::channel(Readiness::Ready);
        let (journal, mut feed) = Journal::open(Options::new(directory.path().join("journal"))).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock);
        let telemetry = Arc::new(Telemetry::new());
        let (messages, heard) = (LastMessages::default(), Arc::default());
        let parts = outbox::Parts {
            journal: journal.clone(),
            config: config.clone(),
            clock: Arc::clone(&clock),
            telemetry: Arc::clone(&telemetry),
            seed: 1,
        };
        let (outbox, couriers) = Outbox::start(&mut feed, parts).await.unwrap();
        let parts = Parts {
            messages: messages.clone(),
            heard: Arc::clone(&heard),
            outbox: outbox.clone(),
            journal: journal.clone(),
            feed,
            config: config.clone(),
            clock: Arc::clone(&clock),
            telemetry: Arc::clone(&telemetry),
            seed: 1,
        };
        let (driver, handle) = Driver::start(parts).await.unwrap();
        let shutdown = CancellationToken::new();
        if setup.graph_url.is_some() {
            let stop = shutdown.clone();
            tokio::spawn(async move { driver.run(stop).await.unwrap() });
            for courier in couriers {
                let (events, stop) = (handle.clone(), shutdown.clone());
                tokio::spawn(async move { courier.run(events, stop).await.unwrap() });
            }
        }
        let meta = laneway_channel::meta::Client::new(laneway_channel::http::Limits::default());
        let node = Node {
            messages,
            config,
            journal: journal.clone(),
            driver: handle,
            outbox,
            meta,
            heard,
            clock,
            readiness,
            telemetry,
        };
        let router = api::everything(node.clone(), setup.body_limits);
        let bound = server::listen("127.0.0.1:0".parse().unwrap(), setup.server_limits).await.unwrap();
        let address = bound.address();
        tokio::spawn(bound.serve(router, shutdown.clone()));
        Self {
            address,
            journal,
            readiness: readiness_tx,
            shutdown,
            node,
            _config: config_tx,
            _directory: directory,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn config(data_dir: std::path::PathBuf, graph_url: Option<&str>) -> Config {
    let shop = account(
        "shop",
        "316098765432",
        &[(SHOP, Scopes::ALL), (SHOP_SEND_ONLY, Scopes::SEND), (SHOP_READ_ONLY, Scopes::READ)],
    );
    let salon = account("salon", "316055555555", &[(SALON, Scopes::ALL)]);
    let mut accounts = vec![shop, salon];
    for waba in accounts.iter_mut().flat_map(|account| &mut account.wabas) {
        waba.graph_url = graph_url.unwrap_or(Waba::GRAPH_URL).to_owned();
    }
    Config { accounts: Accounts::new(accounts), ..Config::new(data_dir) }
}

fn account(name: &str, number: &str, tokens: &[(&str, Scopes)]) -> Account {
    let waba = Waba {
        id: WabaId::parse(&number.chars().rev().collect::<String>()).unwrap(),
        app: None,
        access_token: Secret::new("EAAG-of-the-test"),
        conversions_token: None,
        dataset_id: Some(DatasetId::parse("1234567890").unwrap()),
        looks_up_dataset: false,
        numbers_from: NumbersFrom::File,
        graph_url: String::new(),
        graph_version: Waba::GRAPH_VERSION.to_owned(),
        max_calls_per_second: Waba::MAX_CALLS_PER_SECOND,
        numbers: vec![Number {
            number: PhoneNumber::parse(number).unwrap(),
            phone_number_id: PhoneNumberId::parse("106540352242922").unwrap(),
        }],
    };
    let tokens = tokens.iter().map(|(text, scopes)| Token { hash: token::hash(text), scopes: *scopes });
    Account {
        name: AccountName::parse(name).unwrap(),
        tokens: tokens.collect(),
        country: None,
        allow_restricted_country: false,
        wabas: vec![waba],
        cm_webhook_secrets: Vec::new(),
        forwards: Vec::new(),
        callbacks: Vec::new(),
        max_events_per_second: None,
        on_dead_letter: Default::default(),
        on_lost_answer: Default::default(),
        cm_token: None,
        route: Default::default(),
        shadow: Default::default(),
        open_access: false,
    }
}
