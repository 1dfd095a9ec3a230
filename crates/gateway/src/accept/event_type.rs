//! The event type, and the one that was probably meant.

use laneway_model::EventKind;

use super::refusal::{Refusal, RefusalCode, quoted};

const FIELD: &str = "event.type";

/// The type in the structural sample of CM.com's page.
const PLACEHOLDER: &str = "EventTypeHere";

/// What else people write, in small letters and without `_`, `-` and spaces: names of Meta's other APIs, of earlier
/// wordings, and of the thing itself.
const ALIASES: [(&str, &str); 16] = [
    ("read", "MarkAsRead"),
    ("markread", "MarkAsRead"),
    ("markmessageasread", "MarkAsRead"),
    ("seen", "MarkAsRead"),
    ("typingindicator", "Typing"),
    ("typingon", "Typing"),
    ("blockuser", "Block"),
    ("unblockuser", "UnBlock"),
    ("lead", "LeadSubmitted"),
    ("leadqualified", "QualifiedLead"),
    ("checkout", "InitiateCheckout"),
    ("cart", "AddToCart"),
    ("abandonedcart", "CartAbandoned"),
    ("shipped", "OrderShipped"),
    ("rating", "RatingProvided"),
    ("review", "ReviewProvided"),
];

/// The least likeness (Jaro-Winkler, 0 to 1) at which a type is offered in place of another. Below it, guesses begin
/// to mislead: `Subscribe` is no `UnBlock`.
const LIKENESS_MIN: f64 = 0.82;

/// The names have at most 16 letters: a text longer than this is like none of them, and comparing it costs time.
const BYTES_COMPARED_MAX: usize = 48;

/// Reads the type, in any letter case.
pub(super) fn read(given: Option<&str>) -> Result<EventKind, Refusal> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        let refusal = Refusal::of_field(RefusalCode::EventTypeMissing, FIELD, "missing");
        return Err(refusal.hint(known()));
    };
    EventKind::parse(given).ok_or_else(|| {
        let found = quoted(given);
        let problem = if given.eq_ignore_ascii_case(PLACEHOLDER) {
            format!("{found} is the placeholder of CM.com's page, not an event type")
        } else if let Some(near) = nearest(given) {
            format!("{found} is not an event type; did you mean \"{near}\"?")
        } else {
            format!("{found} is not an event type")
        };
        Refusal::of_field(RefusalCode::UnknownEventType, FIELD, problem).hint(known())
    })
}

fn known() -> String {
    let names: Vec<&str> = EventKind::all().map(EventKind::as_str).collect();
    format!("known types: {}", names.join(", "))
}

fn nearest(given: &str) -> Option<&'static str> {
    if given.len() > BYTES_COMPARED_MAX {
        return None;
    }
    let bare: String = given.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_ascii_lowercase();
    if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == bare) {
        return Some(name);
    }
    let likeness = |kind: &EventKind| strsim::jaro_winkler(&bare, &kind.as_str().to_ascii_lowercase());
    let nearest = EventKind::all().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&nearest) >= LIKENESS_MIN).then(|| nearest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        for (given, expected) in [
            ("Lead", Some("LeadSubmitted")),
            ("read", Some("MarkAsRead")),
            ("mark_as_read", Some("MarkAsRead")),
            ("MarkRead", Some("MarkAsRead")),
            ("mark-as-red", Some("MarkAsRead")),
            ("un-block", Some("UnBlock")),
            ("Blok", Some("Block")),
            ("Unblocked", Some("UnBlock")),
            ("Typing_Indicator", Some("Typing")),
            ("Purchased", Some("Purchase")),
            ("OrderCancelled", Some("OrderCanceled")),
            ("Order Created", Some("OrderCreated")),
            ("AddedToCart", Some("AddToCart")),
            ("ViewedContent", Some("ViewContent")),
            ("InitiatedCheckout", Some("InitiateCheckout")),
            ("LeadQualified", Some("QualifiedLead")),
            ("Subscribe", None),
            ("Schedule", None),
            ("CompleteRegistration", None),
            ("Contact", None),
            ("x", None),
            ("🦀", None),
            ("", None),
            (&"Purchase".repeat(10_000), None),
        ] {
            let shown: String = given.chars().take(40).collect();
            assert_eq!(nearest(given), expected, "{shown}");
        }
    }

    #[test]
    fn every_alias_leads_to_a_type() {
        for (alias, name) in ALIASES {
            assert!(EventKind::parse(name).is_some_and(|kind| kind.as_str() == name), "{name}");
            assert_eq!(EventKind::parse(alias), None, "{alias} is a type itself");
        }
    }
}
