//! What a conversion needs.

use std::time::Duration;

use laneway_model::{
    Amount, AmountError, ClickId, Conversion, ConversionName, CtwaClid, Currency, EventKind, PhoneNumber,
    Reference, Route, Timestamp,
};
use laneway_wire::cm::Custom;

use crate::config::{Rules, Waba};

use super::refusal::{Refusal, RefusalCode, quoted};
use super::{Context, currency, parse_reference};

const CLICK_ID: &str = "event.custom.ctwa_id";
const CURRENCY: &str = "event.custom.currency";
const VALUE: &str = "event.custom.value";
const EVENT_TIME: &str = "event.custom.event_time";
const EVENT_ID: &str = "event.custom.event_id";

/// From this number on, Unix seconds lie past the year 5138, and milliseconds after March 1973: who writes it means
/// milliseconds, or something finer still.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// The units that are told from seconds by their size, each a thousand times finer than the one before; a `u64` holds
/// no finer ones.
const FINER_UNITS: [&str; 3] = ["milliseconds", "microseconds", "nanoseconds"];

/// Reads the conversion, or says why it cannot be sent.
pub(super) fn read(
    ctx: &Context<'_>,
    name: ConversionName,
    business: PhoneNumber,
    custom: &Custom<'_>,
) -> Result<Conversion, Refusal> {
    let click = read_click_id(ctx, custom)?;
    let currency = read_currency(ctx.rules, name, custom.currency.as_deref())?;
    let value = read_value(name, custom.value.as_deref())?;
    let event_time = read_event_time(ctx, custom.event_time.as_deref())?;
    let event_id = read_event_id(custom.event_id.as_deref())?;
    check_country(ctx, name)?;
    if ctx.account.route.of(EventKind::Conversion(name)) == Route::Meta {
        check_dataset(ctx, business)?;
    }
    Ok(Conversion { name, click, event_time, event_id, currency, value })
}

/// CM.com's page names the click id in two ways; either will do, and an empty one counts as none. Then it is the user's
/// own captured click, which may be waited for.
fn read_click_id(ctx: &Context<'_>, custom: &Custom<'_>) -> Result<Option<ClickId>, Refusal> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let (field, text) = match (given(custom.ctwa_id.as_deref()), given(custom.ctwa_clid.as_deref())) {
        (Some(one), Some(other)) if one != other => {
            let problem = "differs from event.custom.ctwa_clid";
            return Err(Refusal::of_field(RefusalCode::ClickIdConflict, CLICK_ID, problem)
                .hint("both name the click id; give one of them"));
        }
        (Some(text), _) => (CLICK_ID, text),
        (None, Some(text)) => ("event.custom.ctwa_clid", text),
        (None, None) => {
            if let Some(click) = ctx.told.click(ctx.rules, ctx.now) {
                return Ok(Some(ClickId { value: click.id.clone(), captured: true }));
            }
            if ctx.rules.click_id_wait.is_some() {
                return Ok(None);
            }
            let problem =
                "missing, and no click id is known for this user; Meta takes no conversion without one";
            return Err(Refusal::of_field(RefusalCode::ClickIdUnknown, CLICK_ID, problem)
                .hint("it is referral.ctwa_clid of the first message after the user clicked the ad"));
        }
    };
    CtwaClid::parse(&text)
        .map(|value| Some(ClickId { value, captured: false }))
        .map_err(|error| Refusal::of_field(RefusalCode::ClickIdInvalid, field, error.to_string()))
}

fn read_currency(
    rules: &Rules,
    name: ConversionName,
    given: Option<&str>,
) -> Result<Option<Currency>, Refusal> {
    let Some(given) = given else {
        return missing_unless_optional(name, RefusalCode::CurrencyMissing, CURRENCY);
    };
    let known = Currency::parse(given).filter(|code| !rules.unlisted_currency || currency::is_listed(*code));
    known.map(Some).ok_or_else(|| {
        let found = quoted(given);
        let problem = match currency::nearest(given) {
            Some(near) => format!("{found} is not a currency code; did you mean \"{near}\"?"),
            None => format!("{found} is not a currency code"),
        };
        Refusal::of_field(RefusalCode::UnknownCurrency, CURRENCY, problem)
            .hint("write the three letters of ISO 4217, such as EUR or USD")
    })
}

fn read_value(name: ConversionName, given: Option<&str>) -> Result<Option<Amount>, Refusal> {
    let Some(given) = given else {
        return missing_unless_optional(name, RefusalCode::ValueMissing, VALUE);
    };
    Amount::parse(given).map(Some).map_err(|error| {
        let refusal =
            Refusal::of_field(RefusalCode::ValueInvalid, VALUE, format!("{} {error}", quoted(given)));
        let with_dot = given.trim().replacen(',', ".", 1);
        match error {
            AmountError::Form if Amount::parse(&with_dot).is_ok() => {
                refusal.hint(format!("write {with_dot}"))
            }
            AmountError::Form | AmountError::Negative | AmountError::TooLong => refusal,
        }
    })
}

fn missing_unless_optional<T>(
    name: ConversionName,
    code: RefusalCode,
    field: &'static str,
) -> Result<Option<T>, Refusal> {
    if name.needs_value() {
        let problem = format!("missing; {} needs currency and value", name.as_str());
        Err(Refusal::of_field(code, field, problem))
    } else {
        Ok(None)
    }
}

fn read_event_time(ctx: &Context<'_>, given: Option<&str>) -> Result<Timestamp, Refusal> {
    let Some(given) = given else { return Ok(ctx.now) };
    let time = parse_event_time(given)?;
    let rules = ctx.rules;
    if rules.event_time_in_future && time.since(ctx.now) > Rules::CLOCK_TOLERANCE {
        let problem = format!("{} is in the future", shown(time));
        return Err(Refusal::of_field(RefusalCode::EventTimeInFuture, EVENT_TIME, problem).hint(
            "conversions are reported when they have happened; without event_time, the time of arrival is taken",
        ));
    }
    let age_max = rules.give_up.conversions.min(Rules::EVENT_AGE_MAX);
    if rules.event_time_too_old && ctx.now.since(time) >= age_max {
        let problem =
            format!("{} is too long ago: no conversion is sent {} after it", shown(time), span(age_max));
        return Err(Refusal::of_field(RefusalCode::EventTimeTooOld, EVENT_TIME, problem)
            .hint("Meta refuses every event of a call that has one older than 7 days"));
    }
    Ok(time)
}

/// Whole Unix seconds, as Meta wants them, or a point in time as RFC 3339 writes it.
fn parse_event_time(given: &str) -> Result<Timestamp, Refusal> {
    let refuse = |problem: &str| {
        Refusal::of_field(RefusalCode::EventTimeInvalid, EVENT_TIME, format!("{} {problem}", quoted(given)))
    };
    let Ok(seconds) = given.parse::<u64>() else {
        let millis = given.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
        return millis.and_then(|millis| u64::try_from(millis).ok()).map(Timestamp::from_millis).ok_or_else(
            || {
                refuse("is not a point in time")
                    .hint("write whole seconds since 1970, such as 1795000000, or 2026-11-18T11:06:40Z")
            },
        );
    };
    if seconds < MILLISECONDS_FROM {
        return Ok(Timestamp::from_secs(seconds));
    }
    let thousands = (seconds / MILLISECONDS_FROM).ilog(1000);
    let unit = FINER_UNITS[thousands as usize];
    let hint = format!("write {}", seconds / 1000_u64.pow(thousands + 1));
    Err(refuse(&format!("is {unit}; it must be whole seconds since 1970")).hint(hint))
}

/// The instant in RFC 3339, for people.
fn shown(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn span(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        seconds if seconds.is_multiple_of(DAY) => format!("{} days", seconds / DAY),
        seconds => format!("{seconds} seconds"),
    }
}

fn read_event_id(given: Option<&str>) -> Result<Option<Reference>, Refusal> {
    given
        .map(parse_reference)
        .transpose()
        .map_err(|problem| Refusal::of_field(RefusalCode::EventIdInvalid, EVENT_ID, problem))
}

fn check_country(ctx: &Context<'_>, name: ConversionName) -> Result<(), Refusal> {
    match ctx.account.country {
        Some(country) if ctx.account.conversions_refused() => {
            let problem = format!(
                "{} cannot be sent: conversions are closed to businesses in the UK, Japan and the European Union, and \
                 this account's country is {country}",
                name.as_str()
            );
            let hint = format!(
                "if Meta does take conversions from {country}, set allow_restricted_country = true for this account"
            );
            Err(Refusal::of_field(RefusalCode::CountryRestricted, "event.type", problem).hint(hint))
        }
        Some(_) | None => Ok(()),
    }
}

/// A WABA whose configuration says that it has no data set sends no conversions.
fn check_dataset(ctx: &Context<'_>, business: PhoneNumber) -> Result<(), Refusal> {
    let has_number = |waba: &&Waba| waba.numbers.iter().any(|number| number.number == business);
    match ctx.account.wabas.iter().find(has_number) {
        Some(waba) if waba.dataset_id.is_none() && !waba.looks_up_dataset => {
            let problem = format!("{business} has no data set that conversions could go to");
            Err(Refusal::of_field(RefusalCode::NoDataset, "from.number", problem)
                .hint("give the number's WABA a dataset_id in the configuration"))
        }
        Some(_) | None => Ok(()),
    }
}
