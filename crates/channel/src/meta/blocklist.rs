//! A number's block list as Meta has it.

use laneway_model::Person;
use laneway_wire::graph::client::{BlockListAnswer, Endpoint, GraphError};

use super::{Client, Target, request};

/// The most rows that are asked for at once. How many Meta gives at most is unknown; fewer are no sign of the end.
const ROWS_PER_PAGE: u16 = 500;
/// The most pages of one reading: Meta's limit of 64,000 users (documented), 32 a page.
const PAGES_MAX: usize = 2_000;
/// How often reading starts over because the list changed meanwhile.
const RESTARTS_MAX: usize = 5;
/// Meta, "Block users" (documented): the list changed while it was read, so begin at offset 0.
const CONCURRENT_UPDATE: u32 = 139_102;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The call could not be addressed.
    #[error(transparent)]
    Request(#[from] request::Error),
    /// There was no answer.
    #[error("Meta did not answer")]
    NoAnswer,
    /// The answer is a refusal, or no list at all.
    #[error("Meta answered {status}{}{}", .code.map(|code| format!(", error {code}")).unwrap_or_default(),
        .words.as_deref().map(|words| format!(": {words}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Meta's error code.
        code: Option<u32>,
        /// Meta's own words.
        words: Option<String>,
    },
    /// The list changed each time while it was read.
    #[error("the list changed each of {RESTARTS_MAX} times while it was read")]
    Changing,
    /// The list has no end.
    #[error("the list has more than {PAGES_MAX} pages")]
    TooLong,
}

impl Client {
    /// Reads the whole block list of the target's number: its users, each once, by their number, or by their business-scoped
    /// id where Meta's list says that (unknown). Rows that name nobody are left out.
    ///
    /// # Errors
    /// [`Error`] says what stood in the way; then nothing is known of the list.
    pub async fn block_list(&self, target: &Target) -> Result<Vec<Person>, Error> {
        for _ in 0..=RESTARTS_MAX {
            match self.read_once(target).await {
                Err(Error::Refused { code: Some(CONCURRENT_UPDATE), .. }) => {}
                read => return read,
            }
        }
        Err(Error::Changing)
    }

    /// An empty page ends the list, or one that gives no way to go on. A short page does not: what Meta gives at most is
    /// unknown, and it shows a cursor on the last page, too (captured).
    async fn read_once(&self, target: &Target) -> Result<Vec<Person>, Error> {
        let mut users = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let page = self.page(target, after.as_deref()).await?;
            if page.rows == 0 {
                return Ok(users);
            }
            users.extend(page.users.iter().filter_map(|user| Person::parse(user).ok()));
            users.sort_unstable();
            users.dedup();
            match page.after {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                Some(_) | None => return Ok(users),
            }
        }
        Err(Error::TooLong)
    }

    async fn page(&self, target: &Target, after: Option<&str>) -> Result<BlockListAnswer, Error> {
        let endpoint = Endpoint::BlockList { number: &target.phone_number_id, limit: ROWS_PER_PAGE, after };
        let reply = self.http.call(request::get(target, endpoint)?).await.map_err(|_| Error::NoAnswer)?;
        let refused = |error: Option<&GraphError>| Error::Refused {
            status: reply.status.as_u16(),
            code: error.and_then(|error| error.code),
            words: error.and_then(|error| error.words().first().map(|words| (*words).to_owned())),
        };
        match BlockListAnswer::read(&reply.body) {
            Some(page) if page.error.is_none() && reply.status.is_success() => Ok(page),
            Some(page) => Err(refused(page.error.as_ref())),
            None => Err(refused(None)),
        }
    }
}
