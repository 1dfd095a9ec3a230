//! One running node: its parts, and how they are started and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::{http, meta};
use laneway_journal::{Feed, Journal, OpenError, PurgedContacts, Queue};
use laneway_model::{Person, PhoneNumber, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, BodyLimits, Readiness};
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::{self, Driver};
use crate::inbound::{LastHeard, LastMessages};
use crate::outbox::{self, Outbox};
use crate::server::{self, Bound, Limits};
use crate::telemetry::Telemetry;

/// What a request handler needs: cheap handles to the node's parts.
#[derive(Clone)]
pub struct Node {
    /// The configuration in force; it changes when files do.
    pub config: watch::Receiver<Arc<Config>>,
    /// Durable memory.
    pub journal: Journal,
    /// The driver of the events queue.
    pub driver: driver::Handle,
    /// What goes to accounts' own addresses.
    pub outbox: Outbox,
    /// Asks Meta what only it knows. Events are delivered by the driver's own.
    pub meta: meta::Client,
    /// Until when notifications have come.
    pub heard: Arc<LastHeard>,
    /// Which messages came lately.
    pub messages: LastMessages,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether it works, as whoever starts and stops it says.
    pub readiness: watch::Receiver<Readiness>,
    /// Counters and histograms.
    pub telemetry: Arc<Telemetry>,
}

/// A node that accepts and delivers.
pub struct Running {
    node: Node,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    readiness: watch::Sender<Readiness>,
    /// Stops the HTTP servers and the housekeeping.
    stop_serving: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    /// Stops the driver; after the servers, so that everything acknowledged has been told to it.
    stop_driving: CancellationToken,
    driver: JoinHandle<Result<(), driver::Error>>,
    couriers: Vec<JoinHandle<Result<(), driver::Error>>>,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// An address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The events in the journal cannot be loaded.
    #[error("cannot load the open events")]
    Driver(#[source] driver::Error),
    /// The system gave no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// A start-up task did not run to its end.
    #[error("opening the journal was cut off")]
    CutOff,
}

/// How often it is looked for what has been kept long enough.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// Contacts that are looked at for their age each time; the next time goes on behind them.
const CONTACTS_LOOKED_AT: usize = 50_000;
/// Rows that are deleted in one step.
const PURGE_STEP: usize = 5_000;

/// Opens the journal, loads every open event, and starts to serve. `listen` may be a free address that is already
/// taken for the node, because someone had to know it before.
///
/// # Errors
/// [`StartError`] says what stands in the way.
pub async fn start(
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
) -> Result<Running, StartError> {
    let now = Arc::clone(&config.borrow());
    let (journal, mut feed) = open_journal(&now).await?;
    let public = listen(now.listen).await?;
    let admin = match now.admin_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let seed = getrandom::u64().map_err(StartError::Random)?;
    let (messages, heard) = (LastMessages::default(), Arc::new(LastHeard::default()));
    let parts = outbox::Parts {
        journal: journal.clone(),
        config: config.clone(),
        clock: Arc::clone(&clock),
        telemetry: Arc::clone(&telemetry),
        seed,
    };
    let (outbox, couriers) = Outbox::start(&mut feed, parts).await.map_err(StartError::Driver)?;
    let parts = driver::Parts {
        messages: messages.clone(),
        heard: Arc::clone(&heard),
        outbox: outbox.clone(),
        journal: journal.clone(),
        feed,
        config: config.clone(),
        clock: Arc::clone(&clock),
        telemetry: Arc::clone(&telemetry),
        seed,
    };
    let (driver, handle) = Driver::start(parts).await.map_err(StartError::Driver)?;
    let (readiness, is_ready) = watch::channel(Readiness::Starting);
    let meta = meta::Client::new(http::Limits::default());
    let node = Node {
        config,
        journal,
        driver: handle,
        outbox,
        meta,
        heard,
        messages,
        clock,
        readiness: is_ready,
        telemetry,
    };
    let (stop_serving, stop_driving) = (CancellationToken::new(), CancellationToken::new());
    let (address, admin_address) = (public.address(), admin.as_ref().map(Bound::address));
    let servers = serve(&node, public, admin, &stop_serving);
    let driver = tokio::spawn(driver.run(stop_driving.clone()));
    let couriers =
        couriers.map(|courier| tokio::spawn(courier.run(node.driver.clone(), stop_driving.clone()))).into();
    readiness.send_replace(Readiness::Ready);
    Ok(Running {
        node,
        address,
        admin_address,
        readiness,
        stop_serving,
        servers,
        stop_driving,
        driver,
        couriers,
    })
}

/// Serves clients and operators, and begins the housekeeping.
fn serve(node: &Node, public: Bound, admin: Option<Bound>, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    let mut servers = vec![tokio::spawn(purge(node.clone(), stop.clone()))];
    match admin {
        None => {
            let router = api::everything(node.clone(), BodyLimits::default());
            servers.push(tokio::spawn(public.serve(router, stop.clone())));
        }
        Some(admin) => {
            let router = api::public(node.clone(), BodyLimits::default());
            servers.push(tokio::spawn(public.serve(router, stop.clone())));
            servers.push(tokio::spawn(admin.serve(api::admin(node.clone()), stop.clone())));
        }
    }
    servers
}

async fn open_journal(config: &Config) -> Result<(Journal, Feed), StartError> {
    let options = laneway_journal::Options::new(config.data_dir.clone());
    let opened = tokio::task::spawn_blocking(move || Journal::open(options)).await;
    Ok(opened.map_err(|_| StartError::CutOff)??)
}

async fn listen(address: SocketAddr) -> Result<Bound, StartError> {
    server::listen(address, Limits::default()).await.map_err(|source| StartError::Listen { address, source })
}

impl Running {
    /// Its parts.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators connect, if not on the same address.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Works until `stop` is ready, then takes no more requests, lets calls under way end, for up to 10 seconds, settles
    /// them, and closes the journal.
    ///
    /// # Errors
    /// When the journal failed for good; whatever was acknowledged is kept there.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), driver::Error> {
        let early = tokio::select! {
            () = stop => None,
            ended = &mut self.driver => Some(ended),
        };
        tracing::info!("stopping: no new work, calls under way may end");
        self.readiness.send_replace(Readiness::Stopping);
        self.stop_serving.cancel();
        for server in self.servers {
            report_panic(server.await);
        }
        self.stop_driving.cancel();
        let ended = match early {
            Some(ended) => ended,
            None => self.driver.await,
        };
        for courier in self.couriers {
            if let Some(Err(error)) = report_panic(courier.await) {
                tracing::error!(%error, "a courier stopped; what it had to carry is kept");
            }
        }
        self.node.journal.close().await;
        report_panic(ended).unwrap_or(Ok(()))
    }
}

/// A task that panicked has logged why; the others are still to be stopped.
fn report_panic<T>(ended: Result<T, tokio::task::JoinError>) -> Option<T> {
    ended.inspect_err(|error| tracing::error!(%error, "a task did not run to its end")).ok()
}

/// Deletes events that have been final, notifications that have been here, and persons that nothing was told of, for as
/// long as they are kept, and keys that are free again.
async fn purge(node: Node, stop: CancellationToken) {
    let mut contacts_after = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PURGE_EVERY) => {}
        }
        let now = node.clock.wall();
        let retention = node.config.borrow().retention;
        let settled_before = now.saturating_sub(retention.final_events);
        let received_before = now.saturating_sub(retention.notifications);
        let journal = &node.journal;
        purge_all("events", || journal.purge(Queue::Events, settled_before, PURGE_STEP)).await;
        purge_all("callbacks", || journal.purge(Queue::Callbacks, settled_before, PURGE_STEP)).await;
        // A forward holds what a notification says, and is kept as long.
        purge_all("forwards", || journal.purge(Queue::Forwards, received_before, PURGE_STEP)).await;
        purge_all("notifications", || journal.purge_notifications(received_before, PURGE_STEP)).await;
        let told_before = now.saturating_sub(retention.contacts);
        contacts_after = purge_contacts(journal, told_before, contacts_after).await;
        purge_all("keys", || journal.purge_keys(now, PURGE_STEP)).await;
    }
}

/// Deletes the contacts of which nothing was told since, of as many as are looked at at once; gives where to go on. All of
/// them would be much to read every time, and nobody waits for it.
async fn purge_contacts(
    journal: &Journal,
    told_before: Timestamp,
    mut after: Option<(Person, PhoneNumber)>,
) -> Option<(Person, PhoneNumber)> {
    for _ in 0..CONTACTS_LOOKED_AT / PURGE_STEP {
        match journal.purge_contacts(told_before, after.clone(), PURGE_STEP).await {
            Ok(PurgedContacts { removed, next }) => {
                if removed > 0 {
                    tracing::debug!(
                        what = "contacts",
                        deleted = removed,
                        "deleted what was kept long enough"
                    );
                }
                after = Some(next?);
            }
            Err(error) => {
                tracing::warn!(what = "contacts", %error, "cannot delete what was kept long enough; it is tried again");
                break;
            }
        }
    }
    after
}

/// Deletes in small steps until nothing is left to delete, so that accepting goes on between them.
async fn purge_all<F>(what: &'static str, step: impl Fn() -> F)
where
    F: Future<Output = Result<u64, laneway_journal::Error>>,
{
    loop {
        match step().await {
            Ok(0) => return,
            Ok(deleted) => tracing::debug!(what, deleted, "deleted what was kept long enough"),
            Err(error) => {
                tracing::warn!(what, %error, "cannot delete what was kept long enough; it is tried again");
                return;
            }
        }
    }
}
