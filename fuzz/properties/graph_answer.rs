//! What must hold when any bytes are read as an answer of Meta's. Fuzzing looks for bytes that break it; ordinary tests
//! replay the corpus.

use laneway_model::WabaId;
use laneway_wire::graph::client::{
    BlockListAnswer, BlockUsersAnswer, DatasetAnswer, EventsAnswer, GraphError, MessagesAnswer,
    PhoneNumbersAnswer, minutes_to_regain_access,
};
use serde_json::{Map, Value};

/// The WhatsApp Business Account of all calls here.
pub(crate) const WABA: &str = "102290129340398";

/// An answer and the call it is an answer to: three bytes, the usage header up to the end of its line, the body.
pub(crate) struct Input<'a> {
    /// Chooses the verb.
    pub(crate) verb: u8,
    /// Chooses the number of members.
    pub(crate) members: u8,
    /// Chooses the HTTP status.
    pub(crate) status: u8,
    /// The header `x-business-use-case-usage`; empty for none.
    pub(crate) usage: &'a [u8],
    /// The body.
    pub(crate) body: &'a [u8],
}

impl<'a> Input<'a> {
    /// The parts of the bytes, if there are enough of them.
    pub(crate) fn split(data: &'a [u8]) -> Option<Self> {
        let (&[verb, members, status], rest) = data.split_first_chunk()?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        Some(Self { verb, members, status, usage: &rest[..end], body: &rest[end + 1..] })
    }
}

/// Reads header and body in every way, and holds the results against each other.
pub(crate) fn check(input: &Input<'_>) {
    let waba = WabaId::parse(WABA).expect("digits are a WABA's id");
    if let Ok(header) = std::str::from_utf8(input.usage) {
        assert_ne!(minutes_to_regain_access(header, &waba), Some(0), "no wait is not a wait");
    }
    let blocks = BlockUsersAnswer::read(input.body);
    let failed = blocks.iter().flat_map(|answer| &answer.failed);
    failed.flat_map(|user| &user.errors).for_each(check_words);
    let errors = [
        MessagesAnswer::read(input.body).map(|answer| answer.error),
        blocks.map(|answer| answer.error),
        EventsAnswer::read(input.body).map(|answer| answer.error),
        BlockListAnswer::read(input.body).map(|answer| answer.error),
        DatasetAnswer::read(input.body).map(|answer| answer.error),
        PhoneNumbersAnswer::read(input.body).map(|answer| answer.error),
    ];
    let is_object = serde_json::from_slice::<Map<String, Value>>(input.body).is_ok();
    for error in &errors {
        assert_eq!(error.is_some(), is_object, "an object is an answer, and nothing else is");
        assert_eq!(error, &errors[0], "the error is the same whatever was asked");
        error.iter().flatten().for_each(check_words);
    }
}

/// Meta's words: none of them empty, none twice.
fn check_words(error: &GraphError) {
    let words = error.words();
    for (place, word) in words.iter().enumerate() {
        assert!(!word.is_empty() && !words[..place].contains(word), "{words:?}");
    }
}
