//! Meta's Graph API. The two sides are separate types on purpose: each is tested against bytes from a cited source,
//! never against the other.

pub mod client;
pub mod server;
