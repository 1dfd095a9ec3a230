//! Graph paths: `/{version}/{object}/{edge}`, the version optional; and those that are about no
//! object, such as `/{version}/debug_token`.

/// The version that answers when a path names none: the current one of July 2026, as Meta's changelog has it (D).
pub const DEFAULT_VERSION: &str = "v26.0";

/// What hangs below an object of the Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `/{phone_number_id}/messages`.
    Messages,
    /// `/{phone_number_id}/block_users`.
    BlockUsers,
    /// `/{dataset_id}/events`.
    Events,
    /// `/{waba_id}/dataset`.
    Dataset,
    /// `/{waba_id}/phone_numbers`.
    PhoneNumbers,
    /// `/{waba_id}/subscribed_apps`.
    SubscribedApps,
    /// `/debug_token`, without an object.
    DebugToken,
    /// `/app`, without an object.
    App,
}

/// A call that exists: an edge together with one of its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `POST` and `PUT /{phone_number_id}/messages`: the prose documents POST, Meta's Postman collection PUT (C).
    Messages,
    /// `POST /{phone_number_id}/block_users`.
    Block,
    /// `DELETE /{phone_number_id}/block_users`, with a body.
    UnBlock,
    /// `GET /{phone_number_id}/block_users`.
    Blocklist,
    /// `POST /{dataset_id}/events`.
    Events,
    /// `GET /{waba_id}/dataset`.
    Dataset,
    /// `POST /{waba_id}/dataset`.
    MakeDataset,
    /// `GET /{waba_id}/phone_numbers`.
    PhoneNumbers,
    /// `GET /{waba_id}/subscribed_apps`.
    SubscribedApps,
    /// `POST /{waba_id}/subscribed_apps`.
    Subscribe,
    /// `DELETE /{waba_id}/subscribed_apps`.
    Unsubscribe,
    /// `GET /debug_token`.
    DebugToken,
    /// `GET /app`.
    App,
}

/// A Graph path taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// The version as written, such as `v26.0`; `None` for an unversioned path, which Meta documents as allowed for
    /// `block_users` (D).
    pub version: Option<&'a str>,
    /// The id of the object; empty where there is none.
    pub object: &'a str,
    /// What is asked of it.
    pub edge: Edge,
}

impl Edge {
    /// Every edge.
    pub const ALL: [Edge; 8] = [
        Edge::Messages,
        Edge::BlockUsers,
        Edge::Events,
        Edge::Dataset,
        Edge::PhoneNumbers,
        Edge::SubscribedApps,
        Edge::DebugToken,
        Edge::App,
    ];

    /// The edge as it stands in a path.
    pub fn name(self) -> &'static str {
        match self {
            Edge::Messages => "messages",
            Edge::BlockUsers => "block_users",
            Edge::Events => "events",
            Edge::Dataset => "dataset",
            Edge::PhoneNumbers => "phone_numbers",
            Edge::SubscribedApps => "subscribed_apps",
            Edge::DebugToken => "debug_token",
            Edge::App => "app",
        }
    }

    /// The edge's calls as a person writes them.
    pub fn usage(self) -> &'static str {
        match self {
            Edge::Messages => "POST /{phone_number_id}/messages",
            Edge::BlockUsers => "POST, DELETE, GET /{phone_number_id}/block_users",
            Edge::Events => "POST /{dataset_id}/events",
            Edge::Dataset => "GET, POST /{waba_id}/dataset",
            Edge::PhoneNumbers => "GET /{waba_id}/phone_numbers",
            Edge::SubscribedApps => "GET, POST, DELETE /{waba_id}/subscribed_apps",
            Edge::DebugToken => "GET /debug_token?input_token={token}",
            Edge::App => "GET /app",
        }
    }

    /// The call that `method` makes of this edge, if there is one.
    pub fn operation(self, method: &str) -> Option<Operation> {
        match self {
            Edge::Messages => match method {
                "POST" | "PUT" => Some(Operation::Messages),
                _ => None,
            },
            Edge::BlockUsers => match method {
                "POST" => Some(Operation::Block),
                "DELETE" => Some(Operation::UnBlock),
                "GET" => Some(Operation::Blocklist),
                _ => None,
            },
            Edge::Events => match method {
                "POST" => Some(Operation::Events),
                _ => None,
            },
            Edge::Dataset => match method {
                "GET" => Some(Operation::Dataset),
                "POST" => Some(Operation::MakeDataset),
                _ => None,
            },
            Edge::PhoneNumbers => match method {
                "GET" => Some(Operation::PhoneNumbers),
                _ => None,
            },
            Edge::SubscribedApps => match method {
                "GET" => Some(Operation::SubscribedApps),
                "POST" => Some(Operation::Subscribe),
                "DELETE" => Some(Operation::Unsubscribe),
                _ => None,
            },
            Edge::DebugToken => match method {
                "GET" => Some(Operation::DebugToken),
                _ => None,
            },
            Edge::App => match method {
                "GET" => Some(Operation::App),
                _ => None,
            },
        }
    }
}

impl<'a> Path<'a> {
    /// Takes a path apart (without its query). `None` if it is not `/{object}/{edge}` with a known edge, with or
    /// without a version in front and a slash at the end.
    pub fn parse(path: &'a str) -> Option<Path<'a>> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let (version, rest) = match path.split_once('/') {
            Some((first, rest)) if is_version(first) => (Some(first), rest),
            _ => (None, path),
        };
        let (object, name) = rest.split_once('/').map_or((None, rest), |(object, name)| (Some(object), name));
        let edge = Edge::ALL.into_iter().find(|edge| edge.name() == name)?;
        match (object, edge) {
            (None, Edge::DebugToken | Edge::App) => Some(Path { version, object: "", edge }),
            (None | Some(""), _) | (Some(_), Edge::DebugToken | Edge::App) => None,
            (Some(object), _) => Some(Path { version, object, edge }),
        }
    }
}

/// `v`, digits, a dot, digits.
fn is_version(segment: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    segment
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<(Option<&str>, &str, Edge)>) {
        let parsed = Path::parse(path).map(|path| (path.version, path.object, path.edge));
        assert_eq!(parsed, expected, "{path}");
    }

    #[test]
    fn paths() {
        check("/v26.0/106/messages", Some((Some("v26.0"), "106", Edge::Messages)));
        check("/106/messages", Some((None, "106", Edge::Messages)));
        check("/106/messages/", Some((None, "106", Edge::Messages)));
        check("/v25.0/106/block_users", Some((Some("v25.0"), "106", Edge::BlockUsers)));
        check("/data/events", Some((None, "data", Edge::Events)));
        check("/102/dataset", Some((None, "102", Edge::Dataset)));
        check("/102/phone_numbers", Some((None, "102", Edge::PhoneNumbers)));
        check("/102/subscribed_apps", Some((None, "102", Edge::SubscribedApps)));
        check("/v26.0/debug_token", Some((Some("v26.0"), "", Edge::DebugToken)));
        check("/debug_token", Some((None, "", Edge::DebugToken)));
        check("/app", Some((None, "", Edge::App)));
        check("/102/debug_token", None);
        check("/102/app", None);
        check("//debug_token", None);
        check("/subscribed_apps", None);
        check("/v26/messages", Some((None, "v26", Edge::Messages)));
        check("/v26.0/messages", None);
        check("/106/message", None);
        check("/v26.0/106/messages/1", None);
        check("//messages", None);
        check("/106", None);
        check("/", None);
        check("", None);
    }

    #[test]
    fn methods() {
        let rows = [
            (Edge::Messages, "POST", Some(Operation::Messages)),
            (Edge::Messages, "PUT", Some(Operation::Messages)),
            (Edge::Messages, "GET", None),
            (Edge::BlockUsers, "POST", Some(Operation::Block)),
            (Edge::BlockUsers, "DELETE", Some(Operation::UnBlock)),
            (Edge::BlockUsers, "GET", Some(Operation::Blocklist)),
            (Edge::BlockUsers, "PUT", None),
            (Edge::Events, "POST", Some(Operation::Events)),
            (Edge::Events, "GET", None),
            (Edge::Dataset, "GET", Some(Operation::Dataset)),
            (Edge::Dataset, "POST", Some(Operation::MakeDataset)),
            (Edge::Dataset, "DELETE", None),
            (Edge::PhoneNumbers, "GET", Some(Operation::PhoneNumbers)),
            (Edge::PhoneNumbers, "POST", None),
            (Edge::SubscribedApps, "GET", Some(Operation::SubscribedApps)),
            (Edge::SubscribedApps, "POST", Some(Operation::Subscribe)),
            (Edge::SubscribedApps, "DELETE", Some(Operation::Unsubscribe)),
            (Edge::SubscribedApps, "PUT", None),
            (Edge::DebugToken, "GET", Some(Operation::DebugToken)),
            (Edge::DebugToken, "POST", None),
            (Edge::App, "GET", Some(Operation::App)),
            (Edge::App, "DELETE", None),
        ];
        for (edge, method, expected) in rows {
            assert_eq!(edge.operation(method), expected, "{method} {edge:?}");
        }
    }
}
