//! What must hold when any bytes are read as an answer of Meta's. Fuzzing looks for bytes that break it; ordinary tests
//! replay the corpus.

use laneway_model::WabaId;
use laneway_wire::graph::client::{
    BlockListAnswer, BlockUsersAnswer, DatasetAnswer, EventsAnswer, GraphError, MessagesAnswer,
    PhoneNumbersAnswer, minutes_to_regain_access,
};
use serde_json::{Map, Value};

use crate::answer_parts::WABA;

/// Reads header and body in every way, and holds the results against each other.
pub(crate) fn check(usage: &[u8], body: &[u8]) {
    let waba = WabaId::parse(WABA).expect("digits are a WABA's id");
    if let Ok(header) = std::str::from_utf8(usage) {
        assert_ne!(minutes_to_regain_access(header, &waba), Some(0), "no wait is not a wait");
    }
    let blocks = BlockUsersAnswer::read(body);
    let failed = blocks.iter().flat_map(|answer| &answer.failed);
    failed.flat_map(|user| &user.errors).for_each(check_words);
    let errors = [
        MessagesAnswer::read(body).map(|answer| answer.error),
        blocks.map(|answer| answer.error),
        EventsAnswer::read(body).map(|answer| answer.error),
        BlockListAnswer::read(body).map(|answer| answer.error),
        DatasetAnswer::read(body).map(|answer| answer.error),
        PhoneNumbersAnswer::read(body).map(|answer| answer.error),
    ];
    let is_object = serde_json::from_slice::<Map<String, Value>>(body).is_ok();
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
