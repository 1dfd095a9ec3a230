//! The refusals that are a judgement about Meta, each with the switch that takes it back.

use std::time::Duration;

use super::GiveUp;

/// What is refused because the call must fail, and how long an accepted event is tried. With a switch off the event is
/// accepted and Meta decides. Everything else that is refused is refused for its form.
///
/// The confidence is that of the sources: *documented* by Meta or CM.com, or *inferred*. The rule about countries has
/// its switch in the account: [`Account::allow_restricted_country`](crate::config::Account::allow_restricted_country).
/// That a conversion needs a click id and a data set has no switch, because without them there is no call to make
/// (documented by Meta: "Conversions API for business messaging", `user_data`, required).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long each type of event is tried.
    pub give_up: GiveUp,
    /// Refuses that a business number blocks itself. Documented by Meta ("Block Users", error 131021, "Self block"). For
    /// unblocking nothing is documented, so that is never refused.
    pub self_block: bool,
    /// Refuses a conversion whose event time is further ahead than [`Rules::CLOCK_TOLERANCE`]. Inferred: Meta documents
    /// only how old an event may be, but an event that has not happened cannot be reported.
    pub event_time_in_future: bool,
    /// Refuses a conversion whose event time is older than [`Rules::EVENT_AGE_MAX`], or too old for
    /// [`GiveUp::conversions`], where that is shorter. Documented by Meta ("Conversions API", server event parameters,
    /// `event_time`: at most 7 days old, else the whole request is refused).
    pub event_time_too_old: bool,
    /// Refuses a currency that is no code of ISO 4217's list, rather than only one that is not three letters. Documented
    /// by Meta ("Conversions API", custom data parameters, `currency`: a code of ISO 4217).
    pub unlisted_currency: bool,
    /// Refuses a block when notifications prove that the user's last message is older than Meta's window of 24 hours.
    /// Documented by Meta ("Block Users", error 131047); that later notifications of the number prove that none was missed
    /// is inferred.
    pub block_window: bool,
    /// Which captured click a conversion without a click id is about. That Meta attributes within 7 days is what third
    /// parties report of it; which of several clicks it prefers is unknown.
    pub captured_click: CapturedClick,
    /// How long a conversion without a click id waits for one when none is known of its user; `None` refuses it. Never
    /// longer than [`Rules::EVENT_AGE_MAX`].
    pub click_id_wait: Option<Duration>,
}

/// Which of a user's captured clicks a conversion without a click id is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapturedClick {
    /// The newest.
    #[default]
    Newest,
    /// The oldest of the last 7 days.
    Oldest,
    /// None: a conversion must bring its click id.
    Off,
}

impl Rules {
    /// How far ahead of this machine's clock an event time may be.
    pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
    /// How old an event time may be.
    pub const EVENT_AGE_MAX: Duration = Duration::from_hours(7 * 24);

    /// Every switch on.
    pub const fn new(give_up: GiveUp) -> Self {
        Self {
            give_up,
            self_block: true,
            event_time_in_future: true,
            event_time_too_old: true,
            unlisted_currency: true,
            block_window: true,
            captured_click: CapturedClick::Newest,
            click_id_wait: None,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(GiveUp::default())
    }
}
