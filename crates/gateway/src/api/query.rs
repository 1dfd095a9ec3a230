//! Query parameters: each known by name, none silently ignored.

use std::borrow::Cow;
use std::fmt::Display;

use http::Uri;

use super::problem::{Problem, ProblemCode};

/// The parameters of one request. A parameter without a value counts as not given.
pub(super) struct Query<'q> {
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// Reads the query; every parameter must be one of `known` and come once.
    pub(super) fn read(uri: &'q Uri, known: &[&str]) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default();
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = serde_urlencoded::from_str(text)
            .map_err(|_| Problem::new(ProblemCode::InvalidParameter, "the query string cannot be read"))?;
        for (i, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_ref()) {
                return Err(unknown(name, known));
            }
            if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                let message = format!("{name} is given twice");
                return Err(Problem::new(ProblemCode::InvalidParameter, message).of(name));
            }
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self { pairs })
    }

    /// The value of a parameter, as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// The value of a parameter, read by `parse`, whose error says what is wrong with it.
    pub(super) fn value<T, E: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let message = format!("{name}: {error}");
                Err(Problem::new(ProblemCode::InvalidParameter, message).of(name))
            }
        }
    }
}

/// Refuses a body where everything that is asked for stands in the query: a filter in it would be overlooked.
pub(super) fn without_body(has_body: bool) -> Result<(), Problem> {
    if !has_body {
        return Ok(());
    }
    let problem = Problem::new(ProblemCode::InvalidBody, "a body is not read here");
    Err(problem.hint("the filter stands in the query string, as in ?status=failed"))
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let message = format!("{} is not a parameter of this resource", quoted(name));
    let problem = Problem::new(ProblemCode::UnknownParameter, message).of(&shortened(name));
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem.hint(format!("the parameters are {}", known.join(", "))),
    }
}

/// What the client wrote, quoted, and cut where it is longer than any word of the API.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The known word that the client may have meant.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    const LIKENESS_MIN: f64 = 0.75;
    let word = shortened(word).to_lowercase();
    known
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
