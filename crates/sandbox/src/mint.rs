//! Where ids come from. Every kind of id has its own seeded stream, so that drawing one more of a kind changes no other.

use fastrand::Rng;
use laneway_wire::graph::server::{WamidDirection, wamid};

use crate::phone::Phone;

/// The source of every id the sandbox hands out.
#[derive(Clone, Debug)]
pub(crate) struct Mint {
    accounts: Rng,
    people: Rng,
    messages: Rng,
    clicks: Rng,
    traces: Rng,
    challenges: Rng,
}

impl Mint {
    /// The streams of a seed. `starts` counts how often this world was started: each start draws from fresh streams, so
    /// that an id handed out shortly before a crash, and perhaps not saved, is not handed out again.
    pub(crate) fn new(seed: u64, starts: u64) -> Mint {
        let stream = |salt: u64| Rng::with_seed(mix(seed ^ mix(starts ^ mix(salt))));
        Mint {
            accounts: stream(1),
            people: stream(2),
            messages: stream(3),
            clicks: stream(4),
            traces: stream(5),
            challenges: stream(6),
        }
    }

    /// The id of a WhatsApp Business account.
    pub(crate) fn waba_id(&mut self) -> String {
        digits(&mut self.accounts, "102", 15)
    }

    /// The id of a business number.
    pub(crate) fn phone_number_id(&mut self) -> String {
        digits(&mut self.accounts, "106", 15)
    }

    /// The id of a data set.
    pub(crate) fn dataset_id(&mut self) -> String {
        digits(&mut self.accounts, "9", 16)
    }

    /// A business number nobody has: in the 3160… range of the examples.
    pub(crate) fn business_phone(&mut self) -> Phone {
        Phone::try_from(digits(&mut self.accounts, "3160", 12)).expect("twelve digits are a phone number")
    }

    /// An access token that looks like one of Meta's.
    pub(crate) fn access_token(&mut self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        text(&mut self.accounts, "EAA", LETTERS, 120)
    }

    /// An app secret: 32 hexadecimal characters.
    pub(crate) fn app_secret(&mut self) -> String {
        text(&mut self.accounts, "", b"0123456789abcdef", 32)
    }

    /// A business-scoped user id. The country is taken from the number where it is one of a few common ones; `ZZ`
    /// otherwise, which ISO 3166 leaves to users.
    pub(crate) fn user_id(&mut self, user: &Phone) -> String {
        const COUNTRIES: [(&str, &str); 10] = [
            ("1", "US"),
            ("31", "NL"),
            ("32", "BE"),
            ("33", "FR"),
            ("34", "ES"),
            ("44", "GB"),
            ("49", "DE"),
            ("52", "MX"),
            ("55", "BR"),
            ("91", "IN"),
        ];
        let country = COUNTRIES.iter().find(|(code, _)| user.digits().starts_with(code));
        digits(&mut self.people, &format!("{}.1", country.map_or("ZZ", |(_, name)| name)), 23)
    }

    /// The wamid of a message to or from `user`.
    pub(crate) fn wamid(&mut self, user: &Phone, direction: WamidDirection) -> String {
        const HEX: &[u8] = b"0123456789ABCDEF";
        let key = match direction {
            WamidDirection::Inbound => text(&mut self.messages, "3A", HEX, 20),
            WamidDirection::Outbound => text(&mut self.messages, "", HEX, 18),
        };
        wamid(user.digits(), direction, &key)
    }

    /// The id of a click on an ad.
    pub(crate) fn ctwa_clid(&mut self) -> String {
        text(&mut self.clicks, "Af", URL_SAFE, 120)
    }

    /// What a webhook has to answer before it is one.
    pub(crate) fn challenge(&mut self) -> String {
        digits(&mut self.challenges, "1", 10)
    }

    /// An `fbtrace_id`.
    pub(crate) fn trace(&mut self) -> String {
        text(&mut self.traces, "A", URL_SAFE, 23)
    }
}

const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn digits(stream: &mut Rng, prefix: &str, length: usize) -> String {
    text(stream, prefix, b"0123456789", length)
}

/// `prefix`, filled up to `length` characters of `alphabet`.
fn text(stream: &mut Rng, prefix: &str, alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    text.push_str(prefix);
    while text.len() < length {
        text.push(char::from(alphabet[stream.usize(..alphabet.len())]));
    }
    text
}

/// The finaliser of SplitMix64: neighbouring seeds give unrelated streams.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(mint: &mut Mint) -> Vec<String> {
        let user = Phone::graph("+316012345678").unwrap();
        vec![
            mint.waba_id(),
            mint.phone_number_id(),
            mint.dataset_id(),
            mint.business_phone().to_string(),
            mint.access_token(),
            mint.app_secret(),
            mint.user_id(&user),
            mint.wamid(&user, WamidDirection::Inbound),
            mint.wamid(&user, WamidDirection::Outbound),
            mint.ctwa_clid(),
            mint.trace(),
            mint.challenge(),
        ]
    }

    #[test]
    fn a_seed_repeats_and_everything_else_differs() {
        let first = draw(&mut Mint::new(7, 1));
        assert_eq!(first, draw(&mut Mint::new(7, 1)));
        for other in [draw(&mut Mint::new(8, 1)), draw(&mut Mint::new(7, 2))] {
            for (left, right) in first.iter().zip(&other) {
                assert_ne!(left, right);
            }
        }
    }

    #[test]
    fn drawing_one_kind_leaves_the_others_alone() {
        let mut busy = Mint::new(7, 1);
        for _ in 0..10 {
            busy.trace();
            busy.ctwa_clid();
        }
        assert_eq!(busy.waba_id(), Mint::new(7, 1).waba_id());
    }

    #[test]
    fn ids_look_like_meta_s() {
        let ids = draw(&mut Mint::new(0, 1));
        let shapes: Vec<_> = ids.iter().map(|id| (&id[..2], id.len())).collect();
        let expected = [
            ("10", 15),
            ("10", 15),
            (&ids[2][..2], 16),
            ("+3", 13),
            ("EA", 120),
            (&ids[5][..2], 32),
            ("NL", 23),
            ("wa", 62),
            ("wa", 62),
            ("Af", 120),
            (&ids[10][..2], 23),
            (&ids[11][..2], 10),
        ];
        assert_eq!(shapes, expected);
    }
}
