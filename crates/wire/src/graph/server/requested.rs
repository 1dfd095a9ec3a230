//! Errors that somebody asked for: any code, dressed as Meta would dress it.
//!
//! Statuses are those of the older table of Meta's *Error codes* page (D, old), of the *Block users* page (D), and, where
//! a code has none there, 400 (I). Titles are those of the same pages; Meta is doing away with them in `message` (D), so a
//! client must decide by the code alone.

/// An error that was asked for. What is `None` is filled in from [`KNOWN_ERRORS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedError {
    /// Meta's code.
    pub code: u32,
    /// Meta's subcode.
    pub subcode: Option<u32>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The whole `message`.
    pub message: Option<String>,
    /// Whether the error calls itself transient. `None`: as [`KNOWN_ERRORS`] has it.
    pub is_transient: Option<bool>,
}

/// What is known of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownError {
    /// The code.
    pub code: u32,
    /// The HTTP status.
    pub status: u16,
    /// The title, which stands behind the code in `message`.
    pub title: &'static str,
}

const fn known(code: u32, status: u16, title: &'static str) -> KnownError {
    KnownError { code, status, title }
}

/// The codes with a status and a title of their own, in order.
pub const KNOWN_ERRORS: [KnownError; 39] = [
    known(0, 401, "AuthException"),
    known(1, 400, "API Unknown"),
    known(2, 503, "API Service"),
    known(3, 500, "API Method"),
    known(4, 429, "API Too Many Calls"),
    known(10, 403, "Permission Denied"),
    known(33, 400, "Parameter value is not valid"),
    known(100, 400, "Invalid parameter"),
    known(104, 400, "An access token is required to request this resource."),
    known(190, 401, "Access token has expired"),
    known(200, 403, "API Permission"),
    known(368, 403, "Temporarily blocked for policies violations"),
    known(803, 404, "Some of the aliases you requested do not exist"),
    known(80_007, 429, "Rate limit issues"),
    known(130_403, 400, "Unable to deliver the message"),
    known(130_429, 429, "Rate limit hit"),
    known(130_497, 400, "Business account is restricted from messaging users in this country"),
    known(131_000, 500, "Something went wrong"),
    known(131_005, 403, "Access denied"),
    known(131_008, 400, "Required parameter is missing"),
    known(131_009, 400, "Parameter value is not valid"),
    known(131_016, 500, "Service unavailable"),
    known(131_021, 400, "Recipient cannot be sender"),
    known(131_026, 400, "Message undeliverable"),
    known(131_031, 403, "Account has been locked"),
    known(131_042, 400, "Business eligibility payment issue"),
    known(131_047, 400, "Re-engagement message"),
    known(131_048, 429, "Spam rate limit hit"),
    known(131_049, 400, "Meta chose not to deliver"),
    known(131_050, 400, "User has stopped marketing messages"),
    known(131_051, 400, "Unsupported message type"),
    known(131_056, 429, "Pair rate limit hit"),
    known(131_057, 400, "Account in maintenance mode"),
    known(131_062, 400, "Business-scoped user ID cannot be used for this message"),
    known(133_004, 400, "Server temporarily unavailable"),
    known(139_100, 400, "Failed to block/unblock users"),
    known(139_101, 400, "Blocklist limit reached"),
    known(139_102, 400, "Blocklist concurrent update"),
    known(139_103, 400, "Internal error"),
];

impl KnownError {
    /// What is known of `code`. Codes 200 to 299 share a row (D); any other without one has status 400.
    pub fn of(code: u32) -> KnownError {
        let listed = if (200..=299).contains(&code) { 200 } else { code };
        let row = KNOWN_ERRORS.into_iter().find(|row| row.code == listed);
        row.map_or(known(code, 400, "Error"), |row| KnownError { code, ..row })
    }

    /// Whether Meta's own examples mark the code as transient: 2 and 4 (D). The others do not say.
    pub fn is_transient(self) -> Option<bool> {
        matches!(self.code, 2 | 4).then_some(true)
    }

    /// The `message` that Meta writes: code and title.
    pub fn message(self) -> String {
        format!("(#{}) {}", self.code, self.title)
    }
}
