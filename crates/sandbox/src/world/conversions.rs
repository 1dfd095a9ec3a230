//! Conversions: the rules Meta checks an event by, and the ledger of what was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use laneway_wire::graph::server::{ConversionBatch, ConversionFields, ConversionRefusal, EventTime, Refusal};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Waba, World};
use crate::clock::Moment;
use crate::limits::CONVERSIONS_MAX;
use crate::phone::Phone;
use crate::switches::{ConversionValue, Switches};

/// How old an event may be (Meta, *Server event parameters* (D)).
const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// From here on, a number of seconds is taken for milliseconds: it would lie in the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// A click on an ad.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Click {
    /// Who clicked.
    pub(super) user: Phone,
    /// When.
    pub(super) at_us: Moment,
}

/// Every event received. Events are never changed, so that a copy of the world shares them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    rows: Vec<Arc<Conversion>>,
    /// The rows of each data set.
    #[serde(skip)]
    by_dataset: BTreeMap<Arc<str>, Vec<Arc<Conversion>>>,
    /// Data set, name and `event_id` of the first `named` rows. Only a switch asks for it, so it is made when asked for.
    #[serde(skip)]
    names: BTreeSet<(Arc<str>, String, String)>,
    #[serde(skip)]
    named: usize,
}

/// One event received. Meta does not deduplicate messaging events (D), and neither does the ledger, unless a switch says
/// so.
#[derive(Debug, Serialize, Deserialize)]
struct Conversion {
    dataset_id: Arc<str>,
    received_us: Moment,
    test_event_code: Option<Arc<str>>,
    /// The event's own JSON, as received.
    event: Box<RawValue>,
}

/// An event as the control surface shows it: as received, with one more member, `sandbox`, that tells its place in the
/// ledger, its data set, when it was received and under which test code.
#[derive(Clone, Debug)]
pub(crate) struct ConversionRow(usize, Arc<Conversion>);

impl World {
    /// Takes a batch of conversion events for a data set of the account, or refuses all of them. `fields` are the
    /// deciding parts of the batch's events, in the same order.
    ///
    /// # Errors
    /// [`Refusal::Conversion`] for the first event that breaks a rule.
    pub(crate) fn check_conversions(
        &self,
        waba_id: &str,
        fields: &[ConversionFields<'_>],
        now: Moment,
    ) -> Result<(), Refusal> {
        let unknown = || Refusal::UnknownObject { verb: "post", id: waba_id.to_owned() };
        let waba = self.wabas.get(waba_id).ok_or_else(unknown)?;
        if self.ledger.rows.len() + fields.len() > CONVERSIONS_MAX {
            return Err(Refusal::Full);
        }
        for (index, fields) in fields.iter().enumerate() {
            check(fields, self.switches, now)
                .and_then(|()| waba.check_account(waba_id, fields, self.switches))
                .map_err(|why| Refusal::conversion(index, why))?;
        }
        Ok(())
    }

    /// Enters a batch that was checked into the ledger.
    pub(crate) fn record_conversions(&mut self, dataset_id: &str, batch: ConversionBatch, now: Moment) {
        let dataset_id: Arc<str> = dataset_id.into();
        let test_event_code: Option<Arc<str>> = batch.test_event_code.map(Arc::from);
        for event in batch.events {
            if self.switches.events_deduplicated && self.ledger.has(&dataset_id, &event) {
                continue;
            }
            self.ledger.add(Arc::new(Conversion {
                dataset_id: Arc::clone(&dataset_id),
                received_us: now,
                test_event_code: test_event_code.clone(),
                event,
            }));
        }
    }

    /// How many events were received, by one data set or by all.
    pub(crate) fn conversion_count(&self, dataset_id: Option<&str>) -> usize {
        self.ledger.of(dataset_id).len()
    }

    /// The events received after the first `since`, in order.
    pub(crate) fn conversion_rows(&self, dataset_id: Option<&str>, since: usize) -> Vec<ConversionRow> {
        let rows = self.ledger.of(dataset_id).iter().enumerate().skip(since);
        rows.map(|(index, conversion)| ConversionRow(index + 1, Arc::clone(conversion))).collect()
    }
}

/// The rules that need nothing but the event itself.
fn check(fields: &ConversionFields<'_>, switches: Switches, now: Moment) -> Result<(), ConversionRefusal> {
    use ConversionRefusal::{ForbiddenField, Invalid, MissingChannel, TooOld, UnknownName};
    let name = fields.event_name.as_deref().ok_or(Invalid("event_name"))?;
    if !switches.conversions.names().contains(&name) {
        return Err(UnknownName);
    }
    let oldest = now.seconds().saturating_sub(AGE_MAX.as_secs());
    match fields.event_time() {
        EventTime::Missing | EventTime::Unreadable => return Err(Invalid("event_time")),
        EventTime::Number(seconds) if seconds >= MILLISECONDS_FROM => return Err(Invalid("event_time")),
        EventTime::Number(seconds) if u64::try_from(seconds).is_ok_and(|seconds| seconds >= oldest) => {}
        EventTime::Number(_) => return Err(TooOld),
    }
    if fields.action_source.as_deref() != Some("business_messaging") {
        return Err(Invalid("action_source"));
    }
    if fields.messaging_channel.as_deref() != Some("whatsapp") {
        return Err(MissingChannel);
    }
    if fields.has_forbidden_field() {
        return Err(ForbiddenField);
    }
    let is_currency = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_purchase = name == "Purchase";
    match fields.currency() {
        None if is_purchase => return Err(Invalid("currency")),
        Some(currency) if !is_currency(currency) => return Err(Invalid("currency")),
        None | Some(_) => {}
    }
    match fields.value() {
        None if is_purchase => return Err(Invalid("value")),
        Some(value) if !is_value(&value, fields.value_is_text(), switches.conversion_value) => {
            return Err(Invalid("value"));
        }
        None | Some(_) => {}
    }
    Ok(())
}

fn is_value(value: &str, is_text: bool, allowed: ConversionValue) -> bool {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    number.is_some_and(|number| match allowed {
        ConversionValue::Any => true,
        ConversionValue::Strict => number >= 0.0 && !is_text,
    })
}

impl Waba {
    /// The rules about whose data set and whose click it is.
    fn check_account(
        &self,
        waba_id: &str,
        fields: &ConversionFields<'_>,
        switches: Switches,
    ) -> Result<(), ConversionRefusal> {
        if fields.has_page_id() {
            return Err(ConversionRefusal::PageGiven);
        }
        match fields.waba_id() {
            None => return Err(ConversionRefusal::Invalid("whatsapp_business_account_id")),
            Some(id) if id != waba_id => return Err(ConversionRefusal::OtherAccount),
            Some(_) => {}
        }
        match fields.ctwa_clid() {
            Some(clid) if self.clicks.contains_key(clid) => Ok(()),
            None if !switches.missing_click_subcode => Err(ConversionRefusal::MissingClick),
            Some(_) | None => Err(ConversionRefusal::InvalidClick),
        }
    }
}

impl Ledger {
    fn add(&mut self, conversion: Arc<Conversion>) {
        match self.by_dataset.get_mut(&conversion.dataset_id) {
            Some(rows) => rows.push(Arc::clone(&conversion)),
            None => {
                let rows = vec![Arc::clone(&conversion)];
                self.by_dataset.insert(Arc::clone(&conversion.dataset_id), rows);
            }
        }
        self.rows.push(conversion);
    }

    fn of(&self, dataset_id: Option<&str>) -> &[Arc<Conversion>] {
        match dataset_id {
            None => &self.rows,
            Some(id) => self.by_dataset.get(id).map_or(&[], Vec::as_slice),
        }
    }

    /// Whether the data set has an event with the same name and `event_id`.
    fn has(&mut self, dataset_id: &Arc<str>, event: &RawValue) -> bool {
        let name = |dataset_id: &Arc<str>, event: &RawValue| {
            let fields = ConversionFields::read(0, event).ok()?;
            let id = fields.event_id()?.into_owned();
            Some((Arc::clone(dataset_id), fields.event_name?.into_owned(), id))
        };
        let unnamed = &self.rows[self.named..];
        self.names.extend(unnamed.iter().filter_map(|row| name(&row.dataset_id, &row.event)));
        self.named = self.rows.len();
        name(dataset_id, event).is_some_and(|name| self.names.contains(&name))
    }

    /// Rebuilds the index.
    pub(super) fn rebuild(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.by_dataset.clear();
        (self.names, self.named) = (BTreeSet::new(), 0);
        for conversion in rows {
            self.add(conversion);
        }
    }
}

impl Serialize for ConversionRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sandbox<'a> {
            n: usize,
            dataset_id: &'a str,
            received_at: String,
            test_event_code: Option<&'a str>,
        }
        let ConversionRow(n, conversion) = self;
        let sandbox = Sandbox {
            n: *n,
            dataset_id: &conversion.dataset_id,
            received_at: conversion.received_us.to_string(),
            test_event_code: conversion.test_event_code.as_deref(),
        };
        let sandbox = serde_json::to_string(&sandbox).map_err(S::Error::custom)?;
        // The member is spliced into the event's text, so that numbers stay as the client wrote them.
        let event = conversion.event.get();
        let members = event.strip_suffix('}').unwrap_or(event).trim_end();
        let comma = if members.ends_with('{') { "" } else { "," };
        let spliced = RawValue::from_string(format!(r#"{members}{comma}"sandbox":{sandbox}}}"#));
        spliced.map_err(S::Error::custom)?.serialize(serializer)
    }
}
