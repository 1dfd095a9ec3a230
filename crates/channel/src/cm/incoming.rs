//! What WhatsApp tells, in the forms that CM.com tells it in.
//!
//! A message becomes an incoming message, a status a status report, and all else an incoming event, which CM.com
//! documents for other channels than WhatsApp: the type is Meta's word for it, and `custom` is what Meta says (inferred).

use laneway_model::{
    Content, Identity, Media, News, Person, PhoneNumber, Progress, Timestamp, Update, Wamid,
};
use laneway_wire::cm::{EventPost, LocationPost, MessagePost, StatusPost};
use sha2::{Digest, Sha256};

/// CM.com's codes for WhatsApp's errors, by Meta's code
/// (<https://developers.cm.com/messaging/docs/whatsapp-standard-errors>, documented; the last one inferred from a text that
/// is cut off). What is not among them is told by Meta's own code, which is none of these numbers.
const CODES: [(u32, &str); 15] = [
    (1, "51"),
    (10, "52"),
    (100, "53"),
    (130_472, "54"),
    (131_000, "55"),
    (131_008, "56"),
    (131_009, "57"),
    (131_021, "58"),
    (131_026, "59"),
    (131_031, "60"),
    (131_042, "61"),
    (131_047, "62"),
    (131_048, "63"),
    (131_053, "64"),
    (131_056, "65"),
];

/// The type of the event that says what a number could not do.
const PROBLEM: &str = "errors";

/// The body that tells of one update at this business number; without one, of what concerns a whole WABA.
pub fn post(update: &Update, business: Option<PhoneNumber>, received_at: Timestamp) -> String {
    let event = |kind: &str, from: Option<Person>, details: &str, at| {
        let reference = reference(business, kind, details, at);
        EventPost {
            reference: &reference,
            from: from.as_ref(),
            to: business,
            kind,
            custom: Some(details),
            at,
        }
        .body()
    };
    match &update.news {
        News::MessageIn { id, from, at, click: _, content } => {
            message(id.as_ref(), from, content, *at, business)
        }
        News::Status { id, to, at, progress, error } => {
            status(id.as_ref(), to, progress, error.as_ref(), *at)
        }
        News::Moved { from, to: _, at, kind, details } => event(kind, from.person(), details, *at),
        News::Problem { code: _, details } => event(PROBLEM, None, details, received_at),
        News::Other { field, details } => event(field, None, details, received_at),
    }
}

fn message(
    id: Option<&Wamid>,
    from: &Identity,
    content: &Content,
    at: Timestamp,
    business: Option<PhoneNumber>,
) -> String {
    let from = from.person();
    let own = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let Media { url, mime_type, title } = content.media.clone().unwrap_or_default();
    let is_text = content.form.as_deref() == Some("text");
    let location = content.location.as_ref().map(|location| LocationPost {
        latitude: location.latitude.as_deref(),
        longitude: location.longitude.as_deref(),
        label: location.name.as_deref(),
        search_query: location.address.as_deref(),
    });
    let post = MessagePost {
        reference: content.answers.as_ref().map(Wamid::as_str).unwrap_or_default(),
        wamid: id.map(Wamid::as_str),
        from: from.as_ref(),
        name: content.name.as_deref(),
        to: business,
        text: &own(&content.text),
        media_uri: &own(&url),
        content_type: &own(&mime_type),
        title: &own(&title),
        message_type: content.form.as_deref().filter(|_| !is_text),
        location,
        custom: &content.details,
        at,
    };
    post.body()
}

/// `status.code`: 0 accepted, 2 delivered, 3 failed, 4 read. CM.com's own table is not readable; third parties agree on
/// these. There is none for what Meta has added since.
fn status(
    id: Option<&Wamid>,
    to: &Identity,
    progress: &Progress,
    error: Option<&(Option<u32>, String)>,
    at: Timestamp,
) -> String {
    let (code, word) = match progress {
        Progress::Sent => ("0", ""),
        Progress::Delivered => ("2", ""),
        Progress::Failed => ("3", ""),
        Progress::Read | Progress::Played => ("4", ""),
        Progress::Other(word) => ("", word.as_str()),
    };
    let known = |meta: u32| CODES.iter().find(|(code, _)| *code == meta).map(|(_, cm)| (*cm).to_owned());
    let error_code = error.and_then(|(code, _)| *code).map(|meta| known(meta).unwrap_or(meta.to_string()));
    let to = to.person();
    let post = StatusPost {
        at,
        to: to.as_ref(),
        reference: id.map(Wamid::as_str).unwrap_or_default(),
        code,
        error_code: &error_code.unwrap_or_default(),
        error_description: error.map_or(word, |(_, words)| words),
    };
    post.body()
}

/// An id in the form of a UUID: the same when the same is told again, if what is told says when it happened.
fn reference(business: Option<PhoneNumber>, kind: &str, details: &str, at: Timestamp) -> String {
    let mut hash = Sha256::new();
    let business = business.map_or(0, PhoneNumber::as_u64);
    for part in [&business.to_be_bytes()[..], &at.as_millis().to_be_bytes(), kind.as_bytes(), b"\0"] {
        hash.update(part);
    }
    hash.update(details.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    // Version 8, "custom", and the variant of RFC 9562.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::webhook::decode;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    /// The posts that tell of a notification in the form of Meta's.
    fn posts(body: &[u8]) -> Vec<String> {
        let business = PhoneNumber::parse("+316098765432").ok();
        let updates = decode(body, NOW).unwrap().updates;
        updates.iter().map(|update| post(update, business, NOW)).collect()
    }

    /// What the fixtures of Meta's notifications become: after each name, one line per post.
    const POSTS: &str = include_str!("../../fixtures/cm_posts.txt");

    #[test]
    fn every_fixture_of_a_notification() {
        let directory = format!("{}/../wire/fixtures/graph/client/notifications", env!("CARGO_MANIFEST_DIR"));
        let names: Vec<&str> = POSTS.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let mut found = String::new();
        for name in &names {
            let body = std::fs::read(format!("{directory}/{name}.json")).unwrap();
            found += &format!("# {name}\n{}\n", posts(&body).join("\n"));
        }
        assert_eq!(found, POSTS);
        assert_eq!(names.len(), std::fs::read_dir(directory).unwrap().count(), "every fixture is here");
    }

    /// What becomes of one message or status of WABA 1.
    #[track_caller]
    fn check(list: &str, item: &str, expected: &str) {
        let body = format!(r#"{{"entry":[{{"id":"1","changes":[{{"value":{{"{list}":[{item}]}}}}]}}]}}"#);
        let [post] = &posts(body.as_bytes())[..] else { panic!("{body}") };
        assert!(post.contains(expected), "{post}");
    }

    #[test]
    fn messages_of_other_forms() {
        check(
            "messages",
            r#"{"from":"1","type":"image","image":{"url":"https://x","mime_type":"image/png","caption":"Look"}}"#,
            r#""message":{"text":"","media":{"mediaUri":"https://x","contentType":"image/png","title":"Look"},"custom":{"message_type":"image","image":{"#,
        );
        check(
            "messages",
            r#"{"type":"location","location":{"latitude":52.37,"longitude":4.9,"name":"Dam","address":"Dam 1"}}"#,
            r#""custom":{"message_type":"location","location":{"latitude":52.37,"longitude":4.9,"label":"Dam","searchQuery":"Dam 1"}}"#,
        );
        check(
            "messages",
            r#"{"id":"wamid.B","context":{"id":"wamid.A"},"type":"button","button":{"payload":"p","text":"Yes"}}"#,
            r#"{"reference":"wamid.A","messageContext":"wamid.B","from":{"number":""},"to":{"number":"00316098765432"},"message":{"text":"Yes","#,
        );
    }

    #[test]
    fn statuses_of_every_kind() {
        for (status, code) in
            [("sent", "0"), ("delivered", "2"), ("failed", "3"), ("read", "4"), ("played", "4"), ("new", "")]
        {
            let expected = format!(r#""status":{{"code":"{code}","errorCode":"","#);
            check("statuses", &format!(r#"{{"status":"{status}"}}"#), &expected);
        }
        check("statuses", r#"{"status":"new"}"#, r#""errorDescription":"new""#);
        check(
            "statuses",
            r#"{"status":"failed","errors":[{"code":131047,"message":"Too late"}]}"#,
            r#""errorCode":"62","errorDescription":"Too late""#,
        );
        assert!(CODES.is_sorted_by_key(|(meta, _)| *meta) && CODES.is_sorted_by_key(|(_, cm)| *cm));
    }
}
