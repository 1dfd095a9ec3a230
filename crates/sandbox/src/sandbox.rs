//! Starting and stopping.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use crate::clock::VirtualClock;
use crate::faults::{FaultError, FaultRule};
use crate::limits::STOP_GRACE;
use crate::mint::Mint;
use crate::phone::{Phone, PhoneError};
use crate::saver;
use crate::server;
use crate::shared::Shared;
use crate::state::{self, State, StateError};
use crate::switches::{ConversionNames, Switches};
use crate::webhook::{self, WebhookError};
use crate::world::{Kind, NewNumber, NumberInfo, UserMessage, Webhook, World, WriteError, Written};

/// The business and the customer of a fresh world: the numbers of CM.com's events page.
const FIRST_BUSINESS: &str = "+316098765432";
const FIRST_CUSTOMER: &str = "+316012345678";

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 picks a free one. An address off loopback needs a control token.
    pub listen: SocketAddr,
    /// Makes all ids repeatable: the same seed and the same calls give the same ids. `None`: the system's randomness.
    pub seed: Option<u64>,
    /// What `/sandbox/*` and `/` must be presented with, as `Authorization: Bearer` or `?control_token=`.
    pub control_token: Option<String>,
    /// How many of the conversion names pass. It goes before what a state file says.
    pub conversions: ConversionNames,
    /// Where the world is kept over a restart. `None`: nowhere.
    pub state_file: Option<PathBuf>,
    /// Whether the customer of a fresh world writes "Hi" from an ad at once.
    pub greeting: bool,
}

/// Loopback port 8090, no seed, no control token, all 14 names, no state file, a greeting.
impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            seed: None,
            control_token: None,
            conversions: ConversionNames::default(),
            state_file: None,
            greeting: true,
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Anybody on the network could control it.
    #[error("the sandbox listens on {0}, off loopback, only with a control token")]
    ControlTokenMissing(SocketAddr),
    /// The address cannot be listened on.
    #[error("the sandbox cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The state file cannot be read.
    #[error("the sandbox's state file {} cannot be read", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The state file holds no state this program can take up.
    #[error(
        "the sandbox's state file {} cannot be used, since {reason}; move it away to start afresh",
        path.display()
    )]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state file cannot be written.
    #[error("the sandbox's state file {} cannot be written", path.display())]
    StateFileUnwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// The state could not be saved when the sandbox stopped.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox's state file {} cannot be written", path.display())]
pub struct StopError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A running sandbox. Dropping it stops the server; [`Sandbox::stop`] also waits for it and saves the state.
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    state_file: Option<PathBuf>,
    server: JoinHandle<()>,
    webhooks: JoinHandle<()>,
    saver: Option<JoinHandle<()>>,
    _stops_when_dropped: DropGuard,
}

impl Sandbox {
    /// Takes up the state file, or makes a first world: one business, and a customer who wrote "Hi" from an ad just now.
    /// Returns once calls are answered.
    ///
    /// # Errors
    /// [`StartError`] if the address or the state file cannot be used.
    pub async fn start(options: Options) -> Result<Sandbox, StartError> {
        if !options.listen.ip().is_loopback() && options.control_token.is_none() {
            return Err(StartError::ControlTokenMissing(options.listen));
        }
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let loaded = load(&options)?;
        let is_fresh = loaded.is_none();
        let mut state = loaded.unwrap_or_else(|| State {
            starts: 0,
            clock_offset_ms: 0,
            requests: 0,
            world: World::default(),
        });
        state.starts += 1;
        state.world.switches.conversions = options.conversions;
        let mint = Mint::new(seed, state.starts);
        let listen = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared::new(state, mint, options.control_token));
        if is_fresh {
            first_world(&shared, options.greeting);
        }
        // Subscribed to before anything is saved, so that no change falls between the two.
        let dirty = shared.dirty.subscribe();
        if let Some(path) = &options.state_file {
            // The number of starts has to be on the disk before the first id leaves: see `Mint::new`.
            let saved = saver::save(&shared, path.clone()).await;
            saved.map_err(|source| StartError::StateFileUnwritable { path: path.clone(), source })?;
        }
        let saver =
            options.state_file.clone().map(|path| tokio::spawn(saver::run(Arc::clone(&shared), dirty, path)));
        Ok(Sandbox {
            address,
            server: tokio::spawn(serve(listener, Arc::clone(&shared))),
            webhooks: tokio::spawn(webhook::run(Arc::clone(&shared))),
            saver,
            state_file: options.state_file,
            _stops_when_dropped: shared.stopping.clone().drop_guard(),
            shared,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its clock, to share.
    pub fn clock(&self) -> VirtualClock {
        self.shared.clock.clone()
    }

    /// The business numbers, with all a client needs.
    pub fn numbers(&self) -> Vec<NumberInfo> {
        self.shared.inner().world.numbers()
    }

    /// A customer writes to a business, with `ad` after a click on one of its ads. Numbers are taken as `00…`, `+…` or
    /// bare digits.
    ///
    /// # Errors
    /// [`WriteError`] if sender, recipient or text are impossible.
    pub fn user_writes(&self, from: &str, to: &str, text: &str, ad: bool) -> Result<Written, WriteError> {
        let message = UserMessage { from, to, text, ad, kind: Kind::Text };
        let now = self.shared.clock.now();
        self.shared.change(|inner| inner.world.user_writes(&mut inner.mint, &message, now))
    }

    /// Sends a number's notifications to an address from now on, as `PUT /sandbox/numbers/{number}/webhook` does but
    /// without asking the address first.
    ///
    /// # Errors
    /// [`WebhookError`] if the number is nobody's or the address is none.
    pub fn set_webhook(&self, number: &str, url: &str, verify_token: &str) -> Result<(), WebhookError> {
        webhook::check_url(url)?;
        let business = Phone::lenient(number).map_err(|PhoneError| WebhookError::Number)?;
        let webhook = Webhook { url: url.to_owned(), verify_token: verify_token.to_owned() };
        self.shared.set_webhook(&business, Some(webhook))
    }

    /// Adds a fault rule, as `POST /sandbox/faults` does, and tells its number.
    ///
    /// # Errors
    /// [`FaultError`] if the rule makes no sense, names what is not there, or is one too many.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, FaultError> {
        self.shared.add_fault(rule).map(|row| row.id())
    }

    /// Removes all fault rules.
    pub fn remove_faults(&self) {
        self.shared.remove_faults(None);
    }

    /// Tells the phone page where the program under test takes CM.com's events, such as `http://127.0.0.1:8080`. The page
    /// then submits events there instead of calling the Graph API, and links to `/console` there. The first one stays.
    pub fn link_gateway(&self, url: &str) {
        self.shared.gateway.get_or_init(|| url.to_owned());
        self.shared.changes.send_modify(|times| *times += 1);
    }

    /// Notes the program under test's own id for what it sent on the call whose answer had this trace id, so that it is
    /// shown beside the call and its effect. Calls that are no longer among the latest are left alone.
    pub fn note_event(&self, trace_id: &str, event: &str) {
        self.shared.note_event(trace_id, event);
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.shared.inner().world.switches
    }

    /// Sets all switches.
    pub fn set_switches(&self, switches: Switches) {
        self.shared.change(|inner| inner.world.switches = switches);
    }

    /// Stops: no new connection, a few seconds for calls under way, then the state is saved.
    ///
    /// # Errors
    /// [`StopError`] if the state cannot be saved.
    pub async fn stop(mut self) -> Result<(), StopError> {
        self.shared.stopping.cancel();
        if tokio::time::timeout(STOP_GRACE, &mut self.server).await.is_err() {
            tracing::warn!("the sandbox stopped while calls were under way");
            self.server.abort();
        }
        // It ends by itself now, and what it had under way ends with it.
        drop((&mut self.webhooks).await);
        if let Some(saver) = self.saver.take() {
            // The saver ends by itself now; its result says nothing the last save does not.
            drop(saver.await);
        }
        match self.state_file.take() {
            None => Ok(()),
            Some(path) => {
                let saved = saver::save(&self.shared, path.clone()).await;
                saved.map_err(|source| StopError { path, source })
            }
        }
    }
}

fn load(options: &Options) -> Result<Option<State>, StartError> {
    let Some(path) = &options.state_file else { return Ok(None) };
    let bytes = state::read(path).map_err(|source| StartError::StateFile { path: path.clone(), source })?;
    let refused = |error: StateError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        StartError::State { path: path.clone(), reason: format!("{error}{cause}") }
    };
    bytes.map(|bytes| State::decode(&bytes).map_err(refused)).transpose()
}

/// The seed page's business, and its customer, who comes from an ad.
fn first_world(shared: &Shared, greeting: bool) {
    let now = shared.clock.now();
    shared.change(|inner| {
        let business = NewNumber { number: Some(FIRST_BUSINESS.to_owned()), ..NewNumber::default() };
        inner.world.add_number(&mut inner.mint, &business).expect("an empty world has room for the number");
        let hi =
            UserMessage { from: FIRST_CUSTOMER, to: FIRST_BUSINESS, text: "Hi", ad: true, kind: Kind::Text };
        if greeting {
            let written = inner.world.user_writes(&mut inner.mint, &hi, now);
            written.expect("the customer can write to the business");
        }
    });
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "small packets of a connection may be delayed");
        }
    });
    let stopping = shared.stopping.clone();
    let served = axum::serve(listener, server::router(shared))
        .with_graceful_shutdown(async move { stopping.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the sandbox's server ended");
    }
}
