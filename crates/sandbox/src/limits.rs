//! Every limit of the sandbox, in one place.

use std::time::Duration;

/// The largest body of a Graph call that is read. Meta's own limit is not documented; a full batch of 1,000 events stays
/// well below this.
pub(crate) const GRAPH_BODY_BYTES_MAX: usize = 8 << 20;

/// The largest body of a control call other than a whole state.
pub(crate) const CONTROL_BODY_BYTES_MAX: usize = 64 << 10;

/// The largest state that can be imported.
pub(crate) const STATE_BODY_BYTES_MAX: usize = 1 << 30;

/// How many Graph calls the request log keeps; the oldest go first.
pub(crate) const REQUEST_LOG_CALLS_MAX: usize = 100_000;

/// How many bytes of bodies and answers the request log keeps; the oldest calls go first.
pub(crate) const REQUEST_LOG_BYTES_MAX: usize = 256 << 20;

/// Among how many of the latest calls one is looked for that a caller's id is to be noted on.
pub(crate) const NOTED_CALLS_MAX: usize = 4_096;

/// How many pages may listen to changes at the same time.
pub(crate) const LISTENERS_MAX: usize = 256;

/// How long changes are gathered before a listening page is told.
pub(crate) const LIVE_PAUSE: Duration = Duration::from_millis(50);

/// How long a listening page is left without a word. It keeps proxies from closing the connection, and the page's idea of
/// the time right.
pub(crate) const LIVE_SILENCE_MAX: Duration = Duration::from_secs(15);

/// How many chats the overview shows, the latest first.
pub(crate) const CHATS_SHOWN_MAX: usize = 200;

/// How many messages a world holds. Beyond it, texts are refused until a reset.
pub(crate) const MESSAGES_MAX: usize = 10_000_000;

/// How many conversion events a world holds. Beyond it, events are refused until a reset.
pub(crate) const CONVERSIONS_MAX: usize = 10_000_000;

/// How many business numbers a world holds.
pub(crate) const NUMBERS_MAX: usize = 10_000;

/// The longest text of a message, in characters (Meta, *Text messages* (D)).
pub(crate) const TEXT_CHARACTERS_MAX: usize = 4_096;

/// The longest a control call may wait.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(300);

/// The furthest the clock moves in one call.
pub(crate) const ADVANCE_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// How many entries a block list holds (Meta, *Block users* (D)).
pub(crate) const BLOCKLIST_MAX: usize = 64_000;

/// The largest page of a block list a client may ask for. Meta publishes none (U).
pub(crate) const BLOCKLIST_PAGE_MAX: u64 = 1_000;

/// How many fault rules there may be; rules that are over make room.
pub(crate) const FAULTS_MAX: usize = 1_000;

/// The longest that a fault rule may hold an answer back.
pub(crate) const LATENCY_MAX: Duration = Duration::from_secs(300);

/// How long the sandbox waits for open connections when it stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long changes are gathered before the state file is written.
pub(crate) const SAVE_DELAY: Duration = Duration::from_millis(250);

/// A save is followed by a pause of this many times its own duration, so that a large world costs little.
pub(crate) const SAVE_PAUSE_FACTOR: u32 = 10;

/// How many notifications are kept for looking at; the oldest that are done go first.
pub(crate) const WEBHOOK_LOG_MAX: usize = 10_000;

/// How many bytes of bodies are kept for looking at; the oldest notifications that are done go first.
pub(crate) const WEBHOOK_LOG_BYTES_MAX: usize = 64 << 20;

/// How many notifications may wait to be delivered; more are dropped, and said to be.
pub(crate) const WEBHOOKS_WAITING_MAX: usize = 5_000;

/// How many deliveries are under way at the same time, each to another number's address.
pub(crate) const WEBHOOKS_AT_ONCE_MAX: usize = 64;

/// How long a delivery or a challenge may take, from the name to the answer's end, by the machine's time. Meta does not
/// say how long it waits (U).
pub(crate) const WEBHOOK_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer of a webhook that is read.
pub(crate) const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 << 10;

/// The longest address of a webhook, in bytes.
pub(crate) const WEBHOOK_URL_BYTES_MAX: usize = 2_048;

/// How long a notification is held back to be overtaken, or to be joined by others in one body.
pub(crate) const WEBHOOK_HOLD: Duration = Duration::from_secs(2);

/// The pauses after the first, second … failed delivery, by the virtual clock; after the last a notification is given up.
/// Meta retries at once and then less and less often, up to 7 days (D); the steps between are the sandbox's (U).
pub(crate) const WEBHOOK_RETRIES: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(48 * 3_600),
    Duration::from_secs(72 * 3_600),
];
