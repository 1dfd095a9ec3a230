//! What a message says, type by type.

use serde_json::{Map, Value};

use super::{NotifiedContent, NotifiedLocation, NotifiedMedia, object};
use crate::graph::client::answer::string;

/// The types whose member describes a file.
const MEDIA: [&str; 5] = ["audio", "document", "image", "sticker", "video"];

/// Members that say something whatever the type is.
const BESIDE_THE_TYPE: [&str; 2] = ["referral", "errors"];

impl NotifiedContent {
    pub(super) fn of(message: &Map<String, Value>) -> Self {
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
        let of_kind = object(message, kind);
        let location = (kind == "location").then_some(of_kind).flatten().map(NotifiedLocation::read);
        let is_told = kind == "text" || location.is_some();
        let member = |name: &str| message.get(name).map(|member| (name.to_owned(), member.to_string()));
        let own = (!is_told).then(|| member(kind)).flatten();
        Self {
            text: of_kind.and_then(|own| words(kind, own)),
            media: of_kind.filter(|_| MEDIA.contains(&kind)).map(NotifiedMedia::read),
            location,
            context: object(message, "context").and_then(|context| string(context, "id")),
            members: own.into_iter().chain(BESIDE_THE_TYPE.into_iter().filter_map(member)).collect(),
        }
    }
}

fn words(kind: &str, own: &Map<String, Value>) -> Option<String> {
    match kind {
        "text" => string(own, "body"),
        "button" => string(own, "text"),
        "interactive" => {
            let reply = object(own, "button_reply").or_else(|| object(own, "list_reply"))?;
            string(reply, "title")
        }
        _ => None,
    }
}

impl NotifiedMedia {
    fn read(media: &Map<String, Value>) -> Self {
        Self {
            url: string(media, "url"),
            mime_type: string(media, "mime_type"),
            title: string(media, "caption").or_else(|| string(media, "filename")),
        }
    }
}

impl NotifiedLocation {
    fn read(location: &Map<String, Value>) -> Self {
        Self {
            latitude: string(location, "latitude"),
            longitude: string(location, "longitude"),
            name: string(location, "name"),
            address: string(location, "address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(message: &str) -> NotifiedContent {
        NotifiedContent::of(&serde_json::from_str(message).unwrap())
    }

    fn told(content: &NotifiedContent) -> (Option<&str>, Vec<(&str, &str)>) {
        let members = content.members.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        (content.text.as_deref(), members)
    }

    #[test]
    fn words_and_members() {
        for (message, text, members) in [
            (r#"{"type":"text","text":{"body":"Hi"},"context":{"id":"wamid.A"}}"#, Some("Hi"), vec![]),
            (
                r#"{"type":"text","text":{"body":"Hi"},"referral":{"ctwa_clid":"A"}}"#,
                Some("Hi"),
                vec![("referral", r#"{"ctwa_clid":"A"}"#)],
            ),
            (
                r#"{"type":"button","button":{"payload":"p","text":"Yes"}}"#,
                Some("Yes"),
                vec![("button", r#"{"payload":"p","text":"Yes"}"#)],
            ),
            (
                r#"{"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":"One"}}}"#,
                Some("One"),
                vec![("interactive", r#"{"type":"list_reply","list_reply":{"id":"1","title":"One"}}"#)],
            ),
            (r#"{"type":"contacts","contacts":[{"name":{}}]}"#, None, vec![("contacts", r#"[{"name":{}}]"#)]),
            (
                r#"{"type":"unsupported","errors":[{"code":131051}]}"#,
                None,
                vec![("errors", r#"[{"code":131051}]"#)],
            ),
            (r#"{"type":"hologram","hologram":7}"#, None, vec![("hologram", "7")]),
            (r#"{"type":7,"text":{"body":"Hi"}}"#, None, vec![]),
            ("{}", None, vec![]),
        ] {
            assert_eq!(told(&content(message)), (text, members), "{message}");
        }
    }

    #[test]
    fn files_and_places() {
        let media = |message| content(message).media.unwrap();
        let own = |text: &str| Some(text.to_owned());
        let image = media(r#"{"type":"image","image":{"mime_type":"image/png","id":"5","caption":"Look"}}"#);
        assert_eq!(image, NotifiedMedia { url: None, mime_type: own("image/png"), title: own("Look") });
        let file = media(r#"{"type":"document","document":{"filename":"a.pdf","url":"https://x"}}"#);
        assert_eq!(file, NotifiedMedia { url: own("https://x"), mime_type: None, title: own("a.pdf") });
        let place =
            content(r#"{"type":"location","location":{"latitude":52.37,"longitude":4.9,"name":"Dam"}}"#);
        let location = NotifiedLocation {
            latitude: own("52.37"),
            longitude: own("4.9"),
            name: own("Dam"),
            address: None,
        };
        assert_eq!((place.location, place.members), (Some(location), vec![]));
    }
}
