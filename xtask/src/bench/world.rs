//! What the gateway is configured for, and the events that are sent to it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::http::Connection;

/// The product token, and its SHA-256 as the configuration wants it.
pub(crate) const TOKEN: &str = "0b5e6f0e-6e1e-4a2d-9d6c-6c616e657761";
const TOKEN_HASH: &str = "3b544c71a4ab5000a53017163825b02bafa7ec34af6023fb6bfa75374e5f576e";
/// The app whose notifications come in, and the secret that they are signed with.
pub(crate) const APP: &str = "bench";
pub(crate) const APP_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// What the account's own addresses know the gateway by: parts of notifications, and callbacks, are signed with these.
pub(crate) const FORWARD_SECRET: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
pub(crate) const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The customers whose events are sent, each with a chat and a click of their own.
const CUSTOMERS: usize = 200;

/// A WABA with its numbers, and customers who wrote to the first one from an ad.
pub(crate) struct World {
    graph: SocketAddr,
    waba_id: String,
    dataset_id: String,
    pub(crate) access_token: String,
    /// Each with its `phone_number_id`.
    numbers: Vec<(String, String)>,
    customers: Vec<Customer>,
    /// The most events that may be open, of the node and of one number, where that is not the gateway's own limit.
    pub(crate) limits: Option<(usize, usize)>,
    /// How many conversions share a call, where that is not the gateway's own choice.
    pub(crate) conversions_per_call: Option<usize>,
    /// How long finished events are kept, where that is not the gateway's own choice.
    pub(crate) retention: Option<&'static str>,
    /// Whether the gateway is configured for notifications of [`APP`].
    pub(crate) notified: bool,
    /// Where notifications are passed on to, and where it is told that events were confirmed.
    pub(crate) forward: Option<SocketAddr>,
    pub(crate) callback: Option<SocketAddr>,
}

struct Customer {
    number: String,
    wamid: String,
    click: String,
}

impl World {
    /// The sandbox's first business.
    pub(crate) fn of_sandbox(sandbox: SocketAddr) -> Result<World> {
        let numbers = Connection::open(sandbox)?.send("GET", "/sandbox/numbers", TOKEN, "")?.json()?;
        World::of_number(sandbox, numbers.get(0).context("the sandbox has no number")?)
    }

    /// A further number of the same WABA, with customers of its own; it is configured beside the others from now on.
    pub(crate) fn another_number(&mut self, sandbox: SocketAddr) -> Result<World> {
        let wanted = json!({"waba_id": self.waba_id}).to_string();
        let number = Connection::open(sandbox)?.send("POST", "/sandbox/numbers", TOKEN, &wanted)?.json()?;
        let other = World::of_number(sandbox, &number)?;
        self.numbers.extend(other.numbers.iter().cloned());
        Ok(other)
    }

    fn of_number(sandbox: SocketAddr, first: &Value) -> Result<World> {
        let mut connection = Connection::open(sandbox)?;
        let business = field(first, "number")?;
        let mut customers = Vec::new();
        for index in 0..CUSTOMERS {
            let number = format!("+3160000{index:04}");
            let message = json!({"from": number, "to": business, "text": "Hi", "ad": true}).to_string();
            let written = connection.send("POST", "/sandbox/messages", TOKEN, &message)?.json()?;
            let (wamid, click) = (field(&written, "wamid")?, field(&written, "ctwa_clid")?);
            customers.push(Customer { number, wamid, click });
        }
        Ok(World {
            graph: sandbox,
            waba_id: field(first, "waba_id")?,
            dataset_id: field(first, "dataset_id")?,
            access_token: field(first, "access_token")?,
            numbers: vec![(business, field(first, "phone_number_id")?)],
            customers,
            limits: None,
            conversions_per_call: None,
            retention: None,
            notified: false,
            forward: None,
            callback: None,
        })
    }

    /// The WABA's id.
    pub(crate) fn waba_id(&self) -> &str {
        &self.waba_id
    }

    /// Every number with its `phone_number_id`.
    pub(crate) fn numbers(&self) -> &[(String, String)] {
        &self.numbers
    }

    /// The first number.
    pub(crate) fn number(&self) -> &str {
        self.numbers.first().map_or("", |(number, _)| number)
    }

    /// Blocks and unblocks of the first customer by the first number, in turns, one a line.
    pub(crate) fn blocks_of_one_person(&self) -> String {
        let customer = self.customers.first().map_or("", |customer| customer.number.as_str());
        let line = |kind: &str| {
            let from = self.number();
            let envelope = json!({"channel": "WhatsApp", "event": {"type": kind}, "from": {"number": from}, "to": {"number": customer}});
            format!("{envelope}\n")
        };
        line("Block") + &line("UnBlock")
    }

    /// A business whose calls reach nobody: `graph` is an address where nothing listens. Wamids and click ids have the
    /// length of the sandbox's.
    pub(crate) fn of_nobody(graph: SocketAddr, numbers: usize) -> World {
        let customer = |index| Customer {
            number: format!("+3160000{index:04}"),
            wamid: format!("wamid.HBgLMzE2MDAwMDAwMDA{index:04}FQIAEhggRjE0QjJDNkQ5RTNBN0I1MTAA"),
            click: format!("ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4{index:04}"),
        };
        World {
            graph,
            waba_id: "102290129340398".to_owned(),
            dataset_id: "1148840052710187".to_owned(),
            access_token: "EAAbench".to_owned(),
            numbers: (0..numbers)
                .map(|index| (format!("+3161000{index:04}"), format!("1069000000{index:04}")))
                .collect(),
            customers: (0..CUSTOMERS).map(customer).collect(),
            limits: None,
            conversions_per_call: None,
            retention: None,
            notified: false,
            forward: None,
            callback: None,
        }
    }

    /// The gateway's configuration; it names the files `token`, which holds the access token, and those of
    /// [`World::SECRETS`].
    pub(crate) fn configuration(&self) -> String {
        let World { graph, waba_id, dataset_id, .. } = self;
        let number = |(number, id): &(String, String)| {
            format!(r#"{{ number = "{number}", phone_number_id = "{id}" }}"#)
        };
        let numbers: Vec<String> = self.numbers.iter().map(number).collect();
        let numbers = numbers.join(", ");
        let mut limits = String::from("[limits]\n");
        if let Some((node, number)) = self.limits {
            limits.push_str(&format!("open_events = {node}\nopen_events_per_number = {number}\n"));
        }
        if let Some(per_call) = self.conversions_per_call {
            limits.push_str(&format!("conversions_per_call = {per_call}\n"));
        }
        let retention = self
            .retention
            .map_or_else(String::new, |kept| format!("[retention]\nfinal_events = \"{kept}\"\n"));
        let app = if self.notified { format!("app = \"{APP}\"\n") } else { String::new() };
        let (own_app, addresses) = (self.own_app(), self.addresses());
        format!(
            r#"admin_listen = "127.0.0.1:0"

{limits}
{retention}
{own_app}
[[account]]
name = "bench"
tokens = [{{ hash = "sha256:{TOKEN_HASH}", scopes = ["send", "read"] }}]

{addresses}
[[account.waba]]
id = "{waba_id}"
{app}access_token = "file:token"
dataset_id = "{dataset_id}"
graph_url = "http://{graph}"
max_calls_per_second = 100000
numbers = [{numbers}]
"#
        )
    }

    /// The files that the configuration names beside the token, and what they hold.
    pub(crate) const SECRETS: [(&'static str, &'static str); 3] = [
        ("app-secret", APP_SECRET),
        ("forward-secret", FORWARD_SECRET),
        ("callback-secret", CALLBACK_SECRET),
    ];

    fn own_app(&self) -> String {
        if !self.notified {
            return String::new();
        }
        format!(
            "[[app]]\nname = \"{APP}\"\napp_secrets = [\"file:app-secret\"]\nverify_token = \"file:app-secret\"\n"
        )
    }

    fn addresses(&self) -> String {
        let mut text = String::new();
        if let Some(forward) = self.forward {
            let url = format!("url = \"http://{forward}/inbox\"");
            text.push_str(&format!("[[account.forward]]\n{url}\nsecret = \"file:forward-secret\"\n"));
        }
        if let Some(callback) = self.callback {
            let url = format!("url = \"http://{callback}/inbox\"\nstatuses = [\"confirmed\"]");
            text.push_str(&format!("[[account.callback]]\n{url}\nsecret = \"file:callback-secret\"\n"));
        }
        text
    }

    /// One `MarkAsRead` per customer and for each of these numbers, one a line.
    pub(crate) fn read_marks(&self, numbers: std::ops::Range<usize>) -> String {
        self.events("MarkAsRead", numbers, |customer| json!({"message_id": customer.wamid}))
    }

    /// One `Purchase` per customer, for the first number, one a line.
    pub(crate) fn purchases(&self) -> String {
        let custom =
            |customer: &Customer| json!({"ctwa_id": customer.click, "currency": "EUR", "value": "12.60"});
        self.events("Purchase", 0..1, custom)
    }

    fn events(
        &self,
        kind: &str,
        numbers: std::ops::Range<usize>,
        custom: impl Fn(&Customer) -> Value,
    ) -> String {
        let mut lines = String::new();
        for customer in &self.customers {
            for (number, _) in &self.numbers[numbers.clone()] {
                let envelope = json!({
                    "channel": "WhatsApp",
                    "event": {"type": kind, "custom": custom(customer)},
                    "from": {"number": number},
                    "to": {"number": customer.number},
                });
                lines.push_str(&envelope.to_string());
                lines.push('\n');
            }
        }
        lines
    }
}

fn field(object: &Value, name: &str) -> Result<String> {
    let text = object.get(name).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the sandbox's answer has no {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::{APP, World};

    #[test]
    fn every_number_of_the_range_has_an_event_of_every_customer() {
        let world = World::of_nobody("127.0.0.1:1".parse().unwrap(), 3);
        let lines = world.read_marks(1..3);
        assert_eq!(lines.lines().count(), 400);
        assert_eq!(lines.matches("+31610000000").count(), 0);
        assert_eq!(lines.matches("+31610000002").count(), 200);
        assert_eq!(world.purchases().lines().count(), 200);
    }

    #[test]
    fn the_configuration_is_toml() {
        let mut world = World::of_nobody("127.0.0.1:1".parse().unwrap(), 2);
        (world.limits, world.retention) = (Some((4, 2)), Some("1h"));
        let text = world.configuration();
        let table = toml::de::DeTable::parse(&text).unwrap().into_inner();
        let keys: Vec<&str> = table.keys().map(|key| key.get_ref().as_ref()).collect();
        assert_eq!(keys, ["account", "admin_listen", "limits", "retention"]);
        world.notified = true;
        (world.forward, world.callback) = (Some(world.graph), Some(world.graph));
        let text = world.configuration();
        let table = toml::de::DeTable::parse(&text).unwrap().into_inner();
        let account = table["account"].get_ref()[0].get_ref();
        assert_eq!(
            account["forward"].get_ref()[0].get_ref()["secret"].get_ref().as_str(),
            Some("file:forward-secret")
        );
        assert_eq!(account["waba"].get_ref()[0].get_ref()["app"].get_ref().as_str(), Some(APP));
        let files = World::SECRETS.map(|(file, _)| text.contains(&format!("\"file:{file}\"")));
        assert_eq!(files, [true; 3]);
    }
}
